"""The file of ``tm study``: what it may say, and what it says, every value with its line.

Paths in it are relative to its own folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from teachmatters.runner.requests import Dtype
from teachmatters.runner.study.yaml_fields import Fields, named, shown
from teachmatters.runner.study.yaml_nodes import SourceLine, read_yaml

TERMS = ("data", "data_root", "limit", "seed", "dtype", "params")
"""What an entry of ``measure`` may say, and the study for all entries that do not."""
STUDY = ("models", "measure", "db", "device", "batch_size", *TERMS)
ENTRY = ("metrics", "models", *TERMS)
MODEL = ("name", "label", "weights", "supervision")
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = get_args(Dtype)


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One item of ``models``: a name or pattern, perhaps with a label, a file of weights and how it was trained."""

    name: SourceLine
    label: str = ""
    weights: Path | None = None
    supervision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEntry:
    """One item of ``measure``, with what the study says for all where it says nothing itself.

    Attributes:
        place: where it begins.
        metrics, data, models: names; no models: all of the study.
        params, defaults: parameters by name: the entry's own, which must mean something to it, and the study's.
    """

    place: SourceLine
    metrics: tuple[SourceLine, ...]
    data: tuple[SourceLine, ...]
    models: tuple[SourceLine, ...]
    data_root: Path | None
    limit: int | None
    seed: int
    dtype: Dtype
    params: Mapping[str, SourceLine] = field(default_factory=dict)
    defaults: Mapping[str, SourceLine] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFile:
    """A whole file."""

    path: Path
    models: tuple[ModelLine, ...]
    entries: tuple[StudyEntry, ...]
    params: Mapping[str, SourceLine]
    db: str | None
    device: str
    batch_size: int | None


def read_study(path: Path) -> StudyFile:
    """Read and check the form of a study; names are looked up later.

    Raises:
        TeachMattersError: one line that names file and line.
    """
    study = Fields(read_yaml(path), STUDY, "a study")
    for key in ("models", "measure"):
        study.need(key)
    run_settings = {key: value for key, value in study.own.items() if key in TERMS}
    return StudyFile(
        path=path,
        models=tuple(_model(each) for each in study.items("models")),
        entries=tuple(_entry(each, run_settings) for each in study.items("measure")),
        params=_params(study.own.get("params")),
        db=_db(study),
        device=study.choice("device", DEVICES),
        batch_size=study.whole("batch_size", 1),
    )


def _model(place: SourceLine) -> ModelLine:
    if not isinstance(place.value, dict):
        return ModelLine(named(place, "models"))
    said = Fields(place, MODEL, "a model")
    name = named(said.need("name"), "name")
    return ModelLine(name, said.text("label") or "", said.path("weights"), said.text("supervision"))


def _entry(place: SourceLine, study: Mapping[str, SourceLine]) -> StudyEntry:
    if not isinstance(place.value, dict):  # a name alone
        place = SourceLine({"metrics": place}, place.line, place.file)
    said = Fields(place, ENTRY, "an entry of 'measure'", study)
    said.need("metrics")
    return StudyEntry(
        place=place,
        metrics=said.names("metrics"),
        data=said.names("data"),
        models=said.names("models"),
        data_root=said.path("data_root"),
        limit=said.whole("limit", 1),
        seed=said.whole("seed", 0) or 0,
        dtype=said.choice("dtype", DTYPES),  # type: ignore[arg-type]  # one of these
        params=_params(said.own.get("params")),
        defaults=_params(study.get("params")),
    )


def _db(study: Fields) -> str | None:
    given = study.text("db")
    return given if given is None or "://" in given else str(study.path("db"))


def _params(place: SourceLine | None) -> dict[str, SourceLine]:
    if place is None or place.value is None:
        return {}
    if not isinstance(place.value, dict):
        raise place.error(f"'params' is a mapping (name: value), not {shown(place)}")
    for name, value in place.value.items():
        members = value.value if isinstance(value.value, list) else [value]
        if not members or any(not isinstance(each.value, str | int | float) for each in members):
            raise value.error(f"parameter {name!r} must be a value or a list of values, not {shown(value)}")
    return dict(place.value)


def param_text(place: SourceLine) -> str:
    """The value of a parameter as it is typed after ``=`` on the command line.

    >>> param_text(SourceLine([SourceLine(1, 1, Path("a.yaml")), SourceLine(5, 1, Path("a.yaml"))], 1, Path("a.yaml")))
    '1,5'
    """
    if isinstance(place.value, list):
        return ",".join(param_text(each) for each in place.value)
    return str(place.value).lower() if isinstance(place.value, bool) else str(place.value)
