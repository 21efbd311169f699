"""Which models, under which labels, with which files: ``[LABEL=]NAME`` and ``[LABEL=]FILE``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teachmatters.api import ModelSpec
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import Registry


@dataclass(frozen=True, slots=True)
class LabelledModel:
    """A model as the store will call it."""

    label: str
    spec: ModelSpec
    weights: Path | None = None


@dataclass(slots=True)
class _Asked:
    """One --model, before it is known whether a file of weights belongs to it."""

    explicit: str
    spec: ModelSpec
    weights: Path | None = None

    @property
    def label(self) -> str:
        if self.explicit or self.weights is None:
            return self.explicit or self.spec.name
        return f"{self.spec.name}@{self.weights.stem.removesuffix('.pth')}"  # .pth.tar is one ending


def labelled_models(registry: Registry, models: Sequence[str], weights: Sequence[str]) -> list[LabelledModel]:
    """The models of a command, patterns expanded.

    Raises:
        TeachMattersError: an unknown name, two models with one label, or a file of no or of several models.
    """
    asked = [each for text in models for each in _read(registry, text)]
    for text in weights:
        model, path = _owner(asked, text)
        if model.weights is not None:
            raise TeachMattersError(f"--weights {text}: {model.label!r} already has {model.weights}; one file a model")
        model.weights = path
    labels = [each.label for each in asked]
    for label in labels:
        if labels.count(label) > 1:
            raise TeachMattersError(f"two models are labelled {label!r}; give each its own: --model LABEL=NAME")
    return [LabelledModel(each.label, each.spec, each.weights) for each in asked]


def _read(registry: Registry, text: str) -> list[_Asked]:
    label, equals, name = text.rpartition("=")
    if equals and not label.strip():
        raise TeachMattersError(f"--model {text!r}: the label is empty; write LABEL=NAME or NAME")
    specs = registry.match_models(name)
    if label and len(specs) > 1:
        raise TeachMattersError(f"--model {text!r}: one label cannot name {len(specs)} models; leave the label out")
    return [_Asked(label.strip(), spec) for spec in specs]


def _owner(asked: Sequence[_Asked], text: str) -> tuple[_Asked, Path]:
    label, equals, file = text.partition("=")
    if equals:
        exact = [each for each in asked if label == (each.explicit or each.spec.name)]
        exact = exact or [each for each in asked if label == each.spec.name]
        if len(exact) == 1:
            return exact[0], Path(file)
        if not Path(text).exists():  # a file's own name may hold a '='
            raise TeachMattersError(f"--weights {text}: no model is labelled {label!r}; labels: {_labels(asked)}")
    if len(asked) != 1:
        raise TeachMattersError(f"--weights {text} with {len(asked)} models: say LABEL=FILE; labels: {_labels(asked)}")
    return asked[0], Path(text)


def _labels(asked: Sequence[_Asked]) -> str:
    return listing(each.explicit or each.spec.name for each in asked)
