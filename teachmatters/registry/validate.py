"""Checks the fields of specs: one bad field of a plugin's spec would otherwise break every listing."""

from __future__ import annotations

import dataclasses
import functools
import re
import reprlib
from collections.abc import Collection, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from teachmatters.api import AnalysisSpec, DatasetSpec, MetricSpec, ModelSpec, Parameter

SUITES = ("how", "what", "why", "paper")

_WORD = re.compile(r"[^\s=:-][^\s=:]*")
_REFERENCES = {
    **dict.fromkeys(
        ("factory", "resolve", "app", "draw", "table", "enrich"), (re.compile(r"[\w.]+:\w+"), "module:callable")
    ),
    "sql": (re.compile(r"[\w.]+:\S+"), "package:file.sql"),
}
_KINDS: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "ints": tuple[int, ...],
    "floats": tuple[float, ...],
}
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "True or False", NoneType: "None"}


def problem(spec: Any) -> str | None:
    """Return the first problem of a spec as text, None if it is valid.

    >>> from teachmatters.api import CommandSpec
    >>> problem(CommandSpec(name="norms", summary="", app="mine.command"))
    "app must look like 'module:callable', not 'mine.command'"
    """
    return next(_problems(spec), None)


def _problems(spec: Any) -> Iterator[str]:
    """Yield the problems; the caller stops at the first, because later checks rely on the types."""
    contract = next(cls for cls in type(spec).__mro__ if cls.__module__.startswith("teachmatters.api"))
    for field, hint in _hints(contract).items():
        value = getattr(spec, field)
        if not _fits(value, hint):
            yield f"{field} must be {_in_words(hint)}, not {reprlib.repr(value)}"
    yield from _of_names(spec)
    yield from _of_references(spec, contract)
    yield from _of_parts(spec)
    for kind, rules in _RULES.items():
        if isinstance(spec, kind):
            yield from rules(spec)


def _of_names(spec: Any) -> Iterator[str]:
    for name in (spec.name, *getattr(spec, "aliases", ())):
        if not (_WORD.fullmatch(name) and name.isprintable()):
            yield f"a name must be a word without spaces, '=' and ':', not {reprlib.repr(name)}"


def _of_references(spec: Any, contract: type) -> Iterator[str]:
    for field in dataclasses.fields(contract):
        shape, example = _REFERENCES.get(field.name, (None, ""))
        value = getattr(spec, field.name)
        if shape is not None and value != field.default and not shape.fullmatch(value):
            yield f"{field.name} must look like {example!r}, not {reprlib.repr(value)}"


def _of_parts(spec: Any) -> Iterator[str]:
    """Yield the problems of metrics and parameters, which are specs themselves."""
    for field in ("metrics", "parameters"):
        inner = [part for part in getattr(spec, field, ()) if not isinstance(part, str)]
        for part in inner:
            yield from (f"in its {field}, {part.name!r}: {words}" for words in _problems(part))
        names = [part.name for part in inner]
        if len(set(names)) < len(names):
            yield f"its {field} must have different names, not {reprlib.repr(names)}"


def _of_model(spec: ModelSpec) -> Iterator[str]:
    needed = "resolve" if spec.name.endswith("/") else "factory"
    if not getattr(spec, needed):
        yield f"{needed} must look like 'module:callable', not ''"


def _of_dataset(spec: DatasetSpec) -> Iterator[str]:
    if not spec.kinds:
        yield "kinds must not be empty"


def _of_analysis(spec: AnalysisSpec) -> Iterator[str]:
    if not spec.metrics:
        yield "metrics must not be empty"
    taken = [name for name in (spec.name, *(metric.name for metric in spec.metrics)) if name in SUITES]
    if taken:
        yield f"the name {taken[0]!r} is reserved for a suite"
    if not set(spec.suites) <= set(SUITES):
        yield f"suites must be among {', '.join(SUITES)}, not {reprlib.repr(spec.suites)}"


def _of_metric(spec: MetricSpec) -> Iterator[str]:
    if not spec.protocols:
        yield "protocols must not be empty"


def _of_parameter(spec: Parameter) -> Iterator[str]:
    for value in (spec.default, *spec.choices, *spec.default_for.values()):
        if value is not None and not _fits(value, _KINDS[spec.kind]):
            yield f"a value must be {_in_words(_KINDS[spec.kind])}, not {reprlib.repr(value)}"


_RULES: dict[type, Any] = {
    ModelSpec: _of_model,
    DatasetSpec: _of_dataset,
    AnalysisSpec: _of_analysis,
    MetricSpec: _of_metric,
    Parameter: _of_parameter,
}


@functools.cache
def _hints(contract: type) -> dict[str, Any]:
    hints = get_type_hints(contract)
    return {field.name: hints[field.name] for field in dataclasses.fields(contract)}


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value has an annotated type; supports the annotations that specs use."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is not None:
        return isinstance(value, origin) and _members_fit(value, parts)
    if hint in (int, float):  # a bool is an int in Python, but not a valid number here
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)


def _members_fit(value: Any, parts: tuple[Any, ...]) -> bool:
    if isinstance(value, Mapping):
        return all(_fits(key, parts[0]) and _fits(member, parts[1]) for key, member in value.items())
    if isinstance(value, tuple) and parts[-1] is not Ellipsis:
        return len(value) == len(parts) and all(map(_fits, value, parts))
    return all(_fits(member, parts[0]) for member in value)


def _in_words(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(parts)}"
    if origin in (Union, UnionType):
        return " or ".join(_in_words(part) for part in parts)
    if origin is None:
        return _WORDS.get(hint, f"a {hint.__name__}")
    if issubclass(origin, Mapping):
        return "a mapping"
    if issubclass(origin, Collection) and (len(parts) == 1 or parts[-1] is Ellipsis):
        return f"a {origin.__name__} whose every member is {_in_words(parts[0])}"
    return f"a {origin.__name__} of {', '.join(_in_words(part) for part in parts)}"
