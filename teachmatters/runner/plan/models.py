"""Which models, under which labels, with which files: ``[LABEL=]NAME``, ``[LABEL=]FILE`` and ``[LABEL=]TEXT``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from teachmatters.api import SUPERVISIONS, ModelSpec
from teachmatters.errors import TeachMattersError, did_you_mean, listing
from teachmatters.registry import Registry

MOST = 100
"""Characters of a supervision."""


@dataclass(frozen=True, slots=True)
class LabelledModel:
    """A model as the store will call it.

    Attributes:
        label: what the column ``model`` holds.
        spec: the model.
        weights: a file in place of its own weights.
        supervision: how it was trained, where the user says it.
    """

    label: str
    spec: ModelSpec
    weights: Path | None = None
    supervision: str | None = None


@dataclass(slots=True)
class _Asked:
    """One --model, before it is known whether a file of weights belongs to it."""

    explicit: str
    spec: ModelSpec
    weights: Path | None = None
    supervision: str | None = None

    @property
    def label(self) -> str:
        if self.explicit or self.weights is None:
            return self.explicit or self.spec.name
        file, sign, network = str(self.weights).partition("#")  # FILE#NAME: one of the networks in it
        return f"{self.spec.name}@{Path(file).stem.removesuffix('.pth')}{sign}{network}"  # .pth.tar is one ending


def labelled_models(
    registry: Registry, models: Sequence[str], weights: Sequence[str], supervision: Sequence[str] = ()
) -> list[LabelledModel]:
    """Return the models of a command, patterns expanded.

    Raises:
        TeachMattersError: an unknown name, two models with one label, or a file or a supervision of no model, of
            several models, or given twice.
    """
    asked = [each for text in models for each in _read(registry, text)]
    for text in weights:
        model, file = _owner(asked, "--weights", text, "FILE", lambda text: Path(text).exists())
        if model.weights is not None:
            raise TeachMattersError(f"--weights {text}: {model.label!r} already has {model.weights}; one file a model")
        model.weights = Path(file)
    for text in supervision:
        model, words = _owner(asked, "--supervision", text, "TEXT")
        if model.supervision is not None:
            raise TeachMattersError(f"--supervision {text}: {model.label!r} already has {model.supervision!r}")
        model.supervision = supervision_word(words)
    labels = [each.label for each in asked]
    for label in labels:
        if labels.count(label) > 1:
            raise TeachMattersError(f"two models are labelled {label!r}; give each its own: --model LABEL=NAME")
    return [LabelledModel(each.label, each.spec, each.weights, each.supervision) for each in asked]


def supervision_word(text: str) -> str:
    """Return a supervision as the store holds it: one of SUPERVISIONS in its own spelling, else the text itself.

    Raises:
        TeachMattersError: there is no text, or it is no single line.

    >>> supervision_word("Labels"), supervision_word(" distilled from CLIP ")
    ('labels', 'distilled from CLIP')
    """
    word = text.strip()
    if not word or not word.isprintable() or len(word) > MOST:
        raise TeachMattersError(
            f"supervision {text[:MOST]!r}: a line of 1 to {MOST} characters is needed, best one of "
            f"{listing(SUPERVISIONS, len(SUPERVISIONS))}"
        )
    return word.lower() if word.lower() in SUPERVISIONS else word


def uncommon_supervisions(models: Sequence[LabelledModel]) -> list[str]:
    """Return a sentence for each supervision that is nearly one of SUPERVISIONS: reports would keep the two apart."""
    words = {each.label: each.supervision for each in models if each.supervision}
    near = {label: did_you_mean(word, SUPERVISIONS) for label, word in words.items() if word not in SUPERVISIONS}
    return [
        f"{label}: the supervision {words[label]!r} is taken as it is. {hint.strip()}"
        for label, hint in near.items()
        if hint
    ]


def _read(registry: Registry, text: str) -> list[_Asked]:
    label, equals, name = text.rpartition("=")
    if equals and not label.strip():
        raise TeachMattersError(f"--model {text!r}: the label is empty; write LABEL=NAME or NAME")
    specs = registry.match_models(name)
    if label and len(specs) > 1:
        raise TeachMattersError(f"--model {text!r}: one label cannot name {len(specs)} models; leave the label out")
    return [_Asked(label.strip(), spec) for spec in specs]


def _owner(
    asked: Sequence[_Asked], option: str, text: str, what: str, holds_equals: Callable[[str], bool] = lambda _: False
) -> tuple[_Asked, str]:
    """Return the model that ``[LABEL=]<what>`` is about, and what stands behind the label.

    Args:
        asked: the models.
        option: for messages.
        text: as given.
        what: for messages.
        holds_equals: whether the whole text is what was meant although its beginning is no label.
    """
    label, equals, rest = text.partition("=")
    if equals:
        exact = [each for each in asked if label in (each.explicit or each.spec.name, each.label)]
        exact = exact or [each for each in asked if label == each.spec.name]
        if len(exact) == 1:
            return exact[0], rest
        if not holds_equals(text):
            raise TeachMattersError(f"{option} {text}: no model is labelled {label!r}; labels: {_labels(asked)}")
    if len(asked) != 1:
        raise TeachMattersError(f"{option} {text} with {len(asked)} models: say LABEL={what}; labels: {_labels(asked)}")
    return asked[0], text


def _labels(asked: Sequence[_Asked]) -> str:
    return listing(each.explicit or each.spec.name for each in asked)
