"""The file of ``tm study``: reads its keys and values, each with its line.

Paths in the file are relative to its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from teachmatters import config
from teachmatters.config import DEVICES
from teachmatters.runner.requests import Dtype
from teachmatters.runner.study.yaml_fields import Fields, named, shown
from teachmatters.runner.study.yaml_nodes import SourceLine, read_yaml

# Keys of an entry of ``measure``; the study may set them for all entries that do not.
TERMS = ("data", "data_root", "limit", "seed", "dtype", "params")
STUDY = ("models", "measure", "db", "device", "batch_size", *TERMS)
ENTRY = ("metrics", "models", *TERMS)
MODEL = ("name", "label", "weights", "supervision")
DTYPES = get_args(Dtype)


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One item of ``models``: a name or pattern, optionally with a label, a weights file and a supervision."""

    name: SourceLine
    label: str = ""
    weights: Path | None = None
    supervision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEntry:
    """One item of ``measure``; keys that it lacks are taken from the study.

    Attributes:
        place: first line of the entry.
        metrics, data, models: names; no models: all models of the study.
        params, defaults: parameters by name: those of the entry, which must apply to it, and those of the study.
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
    """The content of a study file."""

    path: Path
    models: tuple[ModelLine, ...]
    entries: tuple[StudyEntry, ...]
    params: Mapping[str, SourceLine]
    db: str | None
    device: str
    batch_size: int | None


def read_study(path: Path) -> StudyFile:
    """Read a study and check its keys and types; names are looked up later.

    Raises:
        TeachMattersError: the file cannot be read or a value is invalid; names file and line.
    """
    study = Fields(read_yaml(path), STUDY, "a study")
    for key in ("models", "measure"):
        study.need(key)
    run_settings = {key: value for key, value in study.own.items() if key in TERMS}
    return StudyFile(
        path=path,
        models=tuple(_model(place) for place in study.items("models")),
        entries=tuple(_entry(place, run_settings) for place in study.items("measure")),
        params=_params(study.own.get("params")),
        db=_db(study),
        device=study.choice("device", DEVICES) if "device" in study.own else config.default("device") or "auto",
        batch_size=study.whole("batch_size", 1),
    )


def _model(place: SourceLine) -> ModelLine:
    if not isinstance(place.value, dict):
        return ModelLine(named(place, "models"))
    fields = Fields(place, MODEL, "a model")
    name = named(fields.need("name"), "name")
    return ModelLine(name, fields.text("label") or "", fields.path("weights"), fields.text("supervision"))


def _entry(place: SourceLine, study: Mapping[str, SourceLine]) -> StudyEntry:
    if not isinstance(place.value, dict):  # a name alone
        place = SourceLine({"metrics": place}, place.line, place.file)
    fields = Fields(place, ENTRY, "an entry of 'measure'", study)
    fields.need("metrics")
    return StudyEntry(
        place=place,
        metrics=fields.names("metrics"),
        data=fields.names("data"),
        models=fields.names("models"),
        data_root=fields.path("data_root"),
        limit=fields.whole("limit", 1),
        seed=fields.whole("seed", 0) or 0,
        dtype=fields.choice("dtype", DTYPES),  # type: ignore[arg-type]  # choice returns one of DTYPES
        params=_params(fields.own.get("params")),
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
        if not members or any(not isinstance(member.value, str | int | float) for member in members):
            raise value.error(f"parameter {name!r} must be a value or a list of values, not {shown(value)}")
    return dict(place.value)


def param_text(place: SourceLine) -> str:
    """Return the value of a parameter as users type it after ``=`` on the command line.

    >>> param_text(SourceLine([SourceLine(1, 1, Path("a.yaml")), SourceLine(5, 1, Path("a.yaml"))], 1, Path("a.yaml")))
    '1,5'
    """
    if isinstance(place.value, list):
        return ",".join(param_text(member) for member in place.value)
    return str(place.value).lower() if isinstance(place.value, bool) else str(place.value)
