"""What a run is: the cell that says when a number may be reused, and everything else that goes with it."""

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
        label: what the column ``model`` holds.
        name: the name it was asked for by.
        weights: sha256 in hex.
        family, supervision, arch: what reports group and caption by.
        patch_size, image_size: in pixels.
        depth, heads: blocks, and heads of a block.
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
    """All that changes a number; only a number of an equal cell is reused.

    Attributes:
        model, weights: label and sha256 of the model, the first of a pair.
        other_model, other_weights: of the second of a pair, else empty. ``model <= other_model``.
        dataset, split, fingerprint: the data, and a sha256 over the items used.
        analysis, analysis_version: what was computed.
        parameters: every parameter that is part of the setting, defaults filled in.
        limit, seed, dtype: the rest.

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
        """Sha256 in hex of the canonical JSON of all of it."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One analysis of one model, or pair of models, on one data set.

    Attributes:
        run_id: a UUID as text.
        cell: what it measured.
        model, other: the models; ``other`` only for a pair (also for a model with itself).
        setting: the text of all that is not at its default.
        device: where it ran.
        n_items, n_skipped: items of the data set that were used, and that could not be read.
        notes: what was said once, JSON values.
        versions: of the packages that the numbers depend on.
        git_commit: of a development checkout.
        started_at, finished_at: aware; the runs of a command may overlap.
        seconds: its share of the time that the command took; the shares of a command's runs do not overlap.
        metrics: all that were measured, also those that gave no row.
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
        told = (self.cell.model, self.cell.weights, self.cell.other_model, self.cell.other_weights)
        if (self.model.label, self.model.weights, *other) != told:
            raise ValueError(f"the run's models are not those of its cell: {told}")


def canonical(value: Any) -> str:
    """JSON in one spelling: keys sorted, no spaces; numbers of NumPy become plain ones, texts are as public.storable.

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
    return _NOT_UTF8.sub(lambda half: rf"\\u{ord(half[0]):x}", text)  # two: JSON takes one of them away


def lenient(value: Any) -> str:
    """JSON of notes: what is not finite becomes its name, since a note must never cost a day's work.

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
