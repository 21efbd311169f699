"""Check that a spec has the facts that users look for, and that the code it names exists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from teachmatters.api import AnalysisSpec, CommandSpec, DatasetSpec, ModelSpec, Parameter, ReportSpec
from teachmatters.errors import TeachMattersError
from teachmatters.plugin.checks.docstrings import REFERENCES
from teachmatters.plugin.findings import CheckFailed, CheckList
from teachmatters.registry import load_object

# The facts that ``tm models`` and similar commands show, by which users choose.
TOLD: dict[type, tuple[str, ...]] = {
    ModelSpec: ("family", "summary", "licence", "source"),
    DatasetSpec: ("summary", "layout", "source", "licence"),
    AnalysisSpec: ("summary",),
    ReportSpec: ("summary",),
    CommandSpec: ("summary",),
}

HINTS = {
    "licence": "of the weights or images; 'none needed' if there are none",
    "source": "where to get it, or how it is generated",
    "layout": "a description of its folder",
    "family": "the group in reports",
}


def check_facts(sheet: CheckList, spec: Any) -> None:
    """Check that the facts which users look for are present."""
    with sheet.check("facts") as tell:
        for field in next(fields for kind, fields in TOLD.items() if isinstance(spec, kind)):
            if not getattr(spec, field).strip():
                hint = f" ({HINTS[field]})" if field in HINTS else ""
                tell(f"{field} is empty{hint}")
        for message in _of_parameters(getattr(spec, "parameters", ())):
            tell(message)


def check_references(sheet: CheckList, spec: Any) -> None:
    """Check that the code which the spec names can be imported and called."""
    with sheet.check("names code") as tell:
        for field in REFERENCES:
            if (reference := getattr(spec, field, "")) and (message := _missing(reference, callable_=field != "app")):
                tell(message)


def _missing(reference: str, *, callable_: bool) -> str:
    try:
        found = load_object(reference)
    except TeachMattersError as error:
        return str(error).removesuffix("; see 'tm plugins'")
    return (
        f"{reference!r} is a {type(found).__name__}, which cannot be called"
        if callable_ and not callable(found)
        else ""
    )


def _of_parameters(parameters: Sequence[Parameter]) -> Iterator[str]:
    for one in parameters:
        if not one.summary.strip():
            yield f"the parameter {one.name!r} has no summary: --help and 'tm metrics' show it"
        for value in (one.default, *one.default_for.values()):
            if one.choices and value is not None and value not in one.choices:
                yield f"the parameter {one.name!r} has the default {value!r}, which is not among its choices"
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int | float) and not isinstance(number, bool) and not _within(one, number):
                    yield f"the parameter {one.name!r} has the default {number:g}, outside its minimum and maximum"


def _within(one: Parameter, number: float) -> bool:
    low = one.minimum if one.minimum is not None else float("-inf")
    high = one.maximum if one.maximum is not None else float("inf")
    return low <= number <= high


def made(reference: str, contract: type, *arguments: Any) -> Any:
    """Call the code that a spec names and return its result; its errors propagate.

    Raises:
        CheckFailed: the result has another type.
    """
    answer = load_object(reference)(*arguments)
    if not isinstance(answer, contract):
        raise CheckFailed(f"{reference!r} must make a {contract.__name__}, not a {type(answer).__name__}")
    return answer
