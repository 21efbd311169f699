"""``--param NAME=VALUE``: parses and checks values, fills in defaults, and writes the setting of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from teachmatters.api import AnalysisSpec, DatasetSpec, Parameter, Parameters, Value
from teachmatters.errors import TeachMattersError, UnknownNameError, listing

# Texts by name; the name may be qualified, as in ``knn.k``.
Given: TypeAlias = Mapping[str, str]


def given_parameters(texts: Sequence[str], parties: Iterable[AnalysisSpec | DatasetSpec]) -> dict[str, str]:
    """Return ``NAME=VALUE`` texts by name.

    Raises:
        TeachMattersError: a text has no ``=``, a name is given twice, or no analysis or data set declares it.
    """
    declared = _declared(parties)
    known = _known(declared)
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise TeachMattersError(f"--param {text!r} is not NAME=VALUE; declared here: {listing(declared)}")
        if name in given:
            raise TeachMattersError(f"--param {name} is given twice: {given[name]!r} and {value!r}; give it once")
        if name not in known:
            raise UnknownNameError("parameter", name, known, _names(declared))
        given[name] = value
    return given


def parameter_names(parties: Iterable[AnalysisSpec | DatasetSpec]) -> list[str]:
    """Return every name that may be given, plain and qualified."""
    return _known(_declared(parties))


def _declared(parties: Iterable[AnalysisSpec | DatasetSpec]) -> dict[str, list[str]]:
    declared: dict[str, list[str]] = {}
    for party in parties:
        for parameter in party.parameters:
            declared.setdefault(parameter.name, []).append(party.name)
    return declared


def _known(declared: Mapping[str, Iterable[str]]) -> list[str]:
    return [*declared, *(f"{owner}.{name}" for name, owners in declared.items() for owner in owners)]


def _names(declared: Mapping[str, object]) -> str:
    return f"Declared here: {listing(declared)}." if declared else "Nothing here has parameters; leave out --param."


def effective(party: AnalysisSpec | DatasetSpec, other: str, given: Given) -> dict[str, Value]:
    """Return the value of every parameter of an analysis or a data set.

    Args:
        party: the analysis or data set.
        other: name of the data set or analysis that it is used with.
        given: the values that the user gave; the others have their defaults.
    """
    return {parameter.name: _value(party.name, parameter, other, given) for parameter in party.parameters}


@dataclass(frozen=True, slots=True)
class PairParameters:
    """The values of all parameters of an analysis and of the data set that it runs on."""

    analysis: dict[str, Value]
    data: dict[str, Value]


def pair_parameters(analysis: AnalysisSpec, data: DatasetSpec, given: Given) -> PairParameters:
    """Return the values of both.

    Raises:
        TeachMattersError: a parameter does not allow the given value.
    """
    return PairParameters(effective(analysis, data.name, given), effective(data, analysis.name, given))


def each_given(analysis: AnalysisSpec, given: Given) -> Sequence[Given]:
    """Return what was given once for each run that it asks for: a list of values of one parameter is several runs.

    >>> from teachmatters.api import FEATURE
    >>> knn = AnalysisSpec(name="knn", summary="", metrics=(), factory="", parameters=(FEATURE,))
    >>> each_given(knn, {"feature": "cls,mean"})
    [{'feature': 'cls,mean', 'knn.feature': 'cls'}, {'feature': 'cls,mean', 'knn.feature': 'mean'}]
    """
    runs = [dict(given)]
    for parameter in analysis.parameters:
        own = f"{analysis.name}.{parameter.name}"
        text = given.get(own, given.get(parameter.name, ""))
        if parameter.several and "," in text:
            runs = [{**run, own: value.strip()} for run in runs for value in dict.fromkeys(text.split(","))]
    return runs


def _value(owner: str, parameter: Parameter, other: str, given: Given) -> Value:
    text = given.get(f"{owner}.{parameter.name}", given.get(parameter.name))
    if text is None:
        return parameter.default_for.get(other, parameter.default)
    try:
        value = _read(parameter, text)
    except ValueError:
        kinds = {
            "int": "a whole number",
            "ints": "comma-separated whole numbers",
            "floats": "comma-separated numbers",
            "bool": "true or false",
        }
        raise TeachMattersError(
            f"--param {parameter.name}={text}: it must be {kinds.get(parameter.kind, 'a number')} ({parameter.summary})"
        ) from None
    _check(parameter, text, value)
    return value


def _read(parameter: Parameter, text: str) -> Value:
    match parameter.kind:
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "ints":
            return tuple(sorted({int(part) for part in text.split(",")}))
        case "floats":
            return tuple(sorted({float(part) for part in text.split(",")}))
        case "bool":
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            return words.get(text.lower())
        case "str":
            return text


def _check(parameter: Parameter, text: str, value: Value) -> None:
    if value is None:
        raise TeachMattersError(f"--param {parameter.name}={text}: it must be true or false ({parameter.summary})")
    if parameter.choices and value not in parameter.choices:
        allowed = listing(map(str, parameter.choices))
        raise TeachMattersError(f"--param {parameter.name}={text}: allowed are {allowed} ({parameter.summary})")
    low = parameter.minimum if parameter.minimum is not None else float("-inf")
    high = parameter.maximum if parameter.maximum is not None else float("inf")
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, str) and not low <= number <= high:
            range_ = f"be at least {low:g}" if high == float("inf") else f"be between {low:g} and {high:g}"
            raise TeachMattersError(f"--param {parameter.name}={text}: it must {range_} ({parameter.summary})")


def text_of(value: Value) -> str:
    """Return a value as users type it after ``=``.

    >>> text_of((10, 20)), text_of(True), text_of(0.5)
    ('10,20', 'true', '0.5')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def setting_of(values: Parameters, defaults: Parameters, limit: int | None, seed: int, dtype: str) -> str:
    """Return everything that is not at its default as sorted ``name=value`` texts; empty for a default run.

    >>> setting_of({"k": (5,), "temperature": 0.07}, {"k": (20,), "temperature": 0.07}, 2, 0, "float32")
    'k=5, limit=2'
    """
    changed = {name: text_of(value) for name, value in values.items() if value != defaults[name]}
    if limit is not None:
        changed["limit"] = str(limit)
    if seed:
        changed["seed"] = str(seed)
    if dtype != "float32":
        changed["dtype"] = dtype
    return ", ".join(f"{name}={changed[name]}" for name in sorted(changed))
