"""Reads ``--model [LABEL=]NAME``, ``--weights [LABEL=]FILE``, ``--supervision [LABEL=]TEXT`` and ``--label-seed``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from teachmatters.api import SUPERVISIONS, ModelSpec
from teachmatters.errors import TeachMattersError, did_you_mean, listing
from teachmatters.registry import Registry
from teachmatters.runner.plan.checkpoint_series import checkpoints_of, is_pattern

MOST = 100  # characters of a supervision


@dataclass(frozen=True, slots=True)
class LabelledModel:
    """A model with its label in the store.

    Attributes:
        label: value of the column ``model``.
        spec: the model.
        weights: a file that replaces the model's own weights.
        supervision: how the model was trained, if the user states it.
    """

    label: str
    spec: ModelSpec
    weights: Path | None = None
    supervision: str | None = None


@dataclass(slots=True)
class _ModelOption:
    """One --model, before --weights and --supervision are assigned to it."""

    explicit: str
    spec: ModelSpec
    weights: Path | None = None
    supervision: str | None = None

    @property
    def label(self) -> str:
        """Return the label in the store; for a series of checkpoints, the part before the step."""
        if self.explicit or self.weights is None or is_pattern(str(self.weights)):
            return self.explicit or self.spec.name
        file, sign, network = str(self.weights).partition("#")  # FILE#NAME selects a network in the file
        return f"{self.spec.name}@{Path(file).stem.removesuffix('.pth')}{sign}{network}"  # .pth.tar is one suffix


def labelled_models(
    registry: Registry,
    models: Sequence[str],
    weights: Sequence[str],
    supervision: Sequence[str] = (),
    label_seed: int | None = None,
) -> list[LabelledModel]:
    """Return the models of a command, patterns of models and of files expanded.

    A pattern of files is a series of checkpoints: one model per file, labelled ``LABEL@STEP``. With ``label_seed`` the
    models with files are labelled ``LABEL-seedN`` and ``LABEL-seedN@STEP``, so that reports can combine replicates.

    Raises:
        TeachMattersError: a name is unknown, two models have the same label, a file or supervision belongs to no
            model, to several models, or is given twice, or a file's step is unknown.
    """
    options = [option for text in models for option in _read(registry, text)]
    for text in weights:
        model, file = _owner(options, "--weights", text, "FILE", lambda text: Path(text).exists())
        if model.weights is not None:
            raise TeachMattersError(
                f"--weights {text}: {model.label!r} already has {model.weights}; give one file per model"
            )
        model.weights = Path(file)
    for text in supervision:
        model, words = _owner(options, "--supervision", text, "TEXT")
        if model.supervision is not None:
            raise TeachMattersError(f"--supervision {text}: {model.label!r} already has {model.supervision!r}")
        model.supervision = supervision_word(words)
    if label_seed is not None and not any(option.weights for option in options):
        raise TeachMattersError(f"--label-seed {label_seed}: it applies only to checkpoints; name them with --weights")
    found = [model for option in options for model in _expanded(option, label_seed)]
    labels = [model.label for model in found]
    for label in labels:
        if labels.count(label) > 1:
            raise TeachMattersError(f"two models are labelled {label!r}; give each its own: --model LABEL=NAME")
    return found


def _expanded(option: _ModelOption, label_seed: int | None) -> Iterator[LabelledModel]:
    if option.weights is None:
        yield LabelledModel(option.label, option.spec, None, option.supervision)
        return
    label = option.label if label_seed is None else f"{option.label}-seed{label_seed}"
    if not is_pattern(str(option.weights)):
        yield LabelledModel(label, option.spec, option.weights, option.supervision)
        return
    for step, file in checkpoints_of(str(option.weights)).items():
        yield LabelledModel(f"{label}@{step}", option.spec, file, option.supervision)


def supervision_word(text: str) -> str:
    """Return a supervision as the store holds it: one of SUPERVISIONS in its spelling, else the text itself.

    Raises:
        TeachMattersError: the text is empty, too long, or not a single line.

    >>> supervision_word("Labels"), supervision_word(" distilled from CLIP ")
    ('labels', 'distilled from CLIP')
    """
    word = text.strip()
    if not word or not word.isprintable() or len(word) > MOST:
        raise TeachMattersError(
            f"supervision {text[:MOST]!r}: give one line of 1 to {MOST} characters, preferably one of "
            f"{listing(SUPERVISIONS, len(SUPERVISIONS))}"
        )
    return word.lower() if word.lower() in SUPERVISIONS else word


def uncommon_supervisions(models: Sequence[LabelledModel]) -> list[str]:
    """Return a sentence for each supervision that is nearly one of SUPERVISIONS, which reports would not combine."""
    words = {model.label: model.supervision for model in models if model.supervision}
    near = {label: did_you_mean(word, SUPERVISIONS) for label, word in words.items() if word not in SUPERVISIONS}
    return [
        f"{label}: the supervision {words[label]!r} is used as written. {hint.strip()}"
        for label, hint in near.items()
        if hint
    ]


def _read(registry: Registry, text: str) -> list[_ModelOption]:
    label, equals, name = text.rpartition("=")
    if equals and not label.strip():
        raise TeachMattersError(f"--model {text!r}: the label is empty; write LABEL=NAME or NAME")
    specs = registry.match_models(name)
    if label and len(specs) > 1:
        raise TeachMattersError(f"--model {text!r}: one label cannot name {len(specs)} models; leave out the label")
    return [_ModelOption(label.strip(), spec) for spec in specs]


def _owner(
    models: Sequence[_ModelOption],
    option: str,
    text: str,
    what: str,
    holds_equals: Callable[[str], bool] = lambda _: False,
) -> tuple[_ModelOption, str]:
    """Return the model that ``[LABEL=]<what>`` refers to, and the text after the label.

    Args:
        models: the models of the command.
        option: name of the option, for messages.
        text: value of the option.
        what: what follows the label, for messages.
        holds_equals: returns whether a text with ``=`` is a whole value without a label.
    """
    label, equals, rest = text.partition("=")
    if equals:
        exact = [model for model in models if label in (model.explicit or model.spec.name, model.label)]
        exact = exact or [model for model in models if label == model.spec.name]
        if len(exact) == 1:
            return exact[0], rest
        if not holds_equals(text):
            raise TeachMattersError(f"{option} {text}: no model is labelled {label!r}; labels: {_labels(models)}")
    if len(models) != 1:
        raise TeachMattersError(
            f"{option} {text} with {len(models)} models: write LABEL={what}; labels: {_labels(models)}"
        )
    return models[0], text


def _labels(models: Sequence[_ModelOption]) -> str:
    return listing(model.explicit or model.spec.name for model in models)
