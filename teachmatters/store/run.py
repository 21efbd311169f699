"""Descriptions of a run: its cell, which decides whether a stored result may be reused, and its provenance."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from teachmatters.api import MetricSpec, Value
from teachmatters.errors import TeachMattersError

_NOT_UTF8 = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A model as it was measured.

    Attributes:
        label: value of the column ``model``.
        name: the name that the user gave.
        weights: sha256 in hex.
        family, supervision, arch: for grouping and captions in reports.
        patch_size, image_size: in pixels.
        depth, heads: number of blocks, and of heads per block.
    """

    label: str
    name: str
    weights: str
    family: str
    supervision: str
    arch: str
    patch_size: int
    image_size: int
    depth: int
    heads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Everything that a value depends on; only a result with an equal cell is reused.

    Attributes:
        model, weights: label and sha256 of the model, the first of a pair.
        other_model, other_weights: those of the second model of a pair, else empty; ``model <= other_model``.
        dataset, split, fingerprint: the data, and a sha256 over the items used.
        analysis, analysis_version: the analysis.
        parameters: every parameter that is part of the setting, with defaults filled in.
        limit, seed, dtype: as given to the command.

    >>> cell = Cell(model="a", weights="00", dataset="photos", split="all", fingerprint="11", analysis="knn",
    ...             analysis_version=1, parameters={"k": (10, 20)}, limit=None, seed=0, dtype="float32")
    >>> cell.key()[:12]
    '32765bbc480c'
    """

    model: str
    weights: str
    other_model: str = ""
    other_weights: str = ""
    dataset: str
    split: str
    fingerprint: str
    analysis: str
    analysis_version: int
    parameters: Mapping[str, Value]
    limit: int | None
    seed: int
    dtype: str

    def __post_init__(self) -> None:
        if self.other_model and self.other_model < self.model:
            raise ValueError(f"a pair is stored in one order: {self.other_model!r} comes before {self.model!r}")

    def key(self) -> str:
        """Return the sha256 of the cell's canonical JSON in hex."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One analysis of one model, or pair of models, on one data set.

    Attributes:
        run_id: a UUID as text.
        cell: the cell that was measured.
        model, other: the models; ``other`` only for a pair (including a model with itself).
        setting: text of all parameters that are not at their default.
        device: on which it ran.
        n_items, n_skipped: number of items that were used, and that could not be read.
        notes: remarks as JSON values.
        versions: the versions of the packages that the values depend on.
        git_commit: the git commit of a development checkout.
        started_at, finished_at: times with a time zone; the runs of a command may overlap.
        seconds: the run's share of the time that the command took; the shares do not overlap.
        metrics: all metrics that were measured, including those without a row.
    """

    run_id: str
    cell: Cell
    model: ModelRow
    other: ModelRow | None = None
    setting: str
    device: str
    n_items: int
    n_skipped: int
    notes: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str]
    git_commit: str | None = None
    started_at: datetime
    finished_at: datetime
    seconds: float
    metrics: tuple[MetricSpec, ...]

    def __post_init__(self) -> None:
        other = (self.other.label, self.other.weights) if self.other else ("", "")
        expected = (self.cell.model, self.cell.weights, self.cell.other_model, self.cell.other_weights)
        if (self.model.label, self.model.weights, *other) != expected:
            raise ValueError(f"the run's models are not those of its cell: {expected}")


def canonical(value: Any) -> str:
    """Return canonical JSON: sorted keys, no spaces, plain numbers for NumPy's, and texts as ``public.storable``.

    Raises:
        TeachMattersError: a number is not finite.

    >>> canonical({"b": (1, 2), "a": 0.5})
    '{"a":0.5,"b":[1,2]}'
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain, ensure_ascii=False
        )
    except ValueError as error:
        raise TeachMattersError(f"a parameter is not a finite number: {value}") from error
    # Two backslashes, because JSON reads them as one.
    return _NOT_UTF8.sub(lambda surrogate: rf"\\u{ord(surrogate[0]):x}", text)


def lenient(value: Any) -> str:
    """Return JSON of notes in which numbers that are not finite become text: a note must never cost a run.

    >>> lenient({"worst": float("nan")})
    '{"worst":"NaN"}'
    """
    text = json.dumps(value, sort_keys=True, default=_plain)
    return canonical(json.loads(text, parse_constant=str))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
