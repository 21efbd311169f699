"""The files of studies: those that come with the package, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teachmatters.api import DatasetSpec
from teachmatters.errors import TeachMattersError, did_you_mean, listing
from teachmatters.registry import Registry
from teachmatters.runner.plan.models import LabelledModel, labelled_models

_FOLDER = Path(__file__).parent / "packaged"

_TEXT = """\
# A study. Measure what the store lacks:       tm study {file}
# Estimate the time first:                     tm study {file} --plan

# Models: names and patterns of 'tm models', or your own checkpoints.
models:
{models}
  # - 'mini-*'                 # every bundled model
  # - name: dino-s16           # your own checkpoint, of this architecture,
  #   label: mine              # its name in tables and figures
  #   weights: checkpoint.pth

# The data set ('tm datasets'). For a folder of your own images, one folder per class:
#   data: folder
#   data_root: images
data: {data}
{data_root}
# limit: 200                   # only the first images, to try it out

# Analyses ('tm metrics') that this data set allows; delete what you do not need.
measure:
{measure}
  # - metrics: knn             # an entry may have its own data, limit and parameters
  #   params: {{k: [1, 5]}}
"""


def packaged() -> dict[str, Path]:
    """Return the studies that come with the package, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def summary(path: Path) -> str:
    """Return the first comment of a study: one or two sentences."""
    lines = path.read_text("utf-8").splitlines()
    heads = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    return " ".join(heads).partition(". ")[0].rstrip(".")


def find_study(given: str) -> Path:
    """Return the file of that name, else the packaged study of that name.

    Raises:
        TeachMattersError: there is neither.
    """
    path = Path(given)
    if path.exists() or path.suffix or len(path.parts) != 1:  # a file, and its reader reports what is wrong with it
        return path
    known = packaged()
    if given not in known:
        raise TeachMattersError(
            f"there is no file {given!r}, and no packaged study of that name. {did_you_mean(given, known)}The packaged "
            f"ones are {listing(known)}; 'tm study new' writes a file."
        )
    return known[given]


def new_study(
    path: Path,
    registry: Registry,
    models: Sequence[str],
    weights: Sequence[str],
    data: str,
    data_root: Path | None,
) -> None:
    """Write a commented study of these models on a data set, with every analysis that the data set allows.

    Args:
        path: the file to create.
        registry: of names.
        models: ``[LABEL=]NAME`` or a pattern, as for ``tm analyze``.
        weights: ``[LABEL=]FILE``.
        data: a data set.
        data_root: its folder, or the parent.

    Raises:
        TeachMattersError: the file exists or cannot be written, or a name is unknown.
    """
    spec = registry.dataset(data)
    lines = [line for model in labelled_models(registry, models, weights) for line in _model_lines(model)]
    analyses = [each.name for each in registry.analyses.values() if each.metrics_on(spec.kinds)]
    text = _TEXT.format(
        file=path,
        models="\n".join(lines),
        data=spec.name,
        data_root=_root_line(spec, data_root),
        measure="\n".join(f"  - {name}" for name in analyses),
    )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise TeachMattersError(f"{path} exists already; name another file, or delete it first") from error
    except OSError as error:
        raise TeachMattersError(f"cannot write {path}: {error.strerror}; name another file") from error


def _model_lines(model: LabelledModel) -> list[str]:
    if model.weights is None and model.label == model.spec.name:
        return [f"  - {model.label}"]
    own = [f"    weights: {_quoted(model.weights.absolute())}"] if model.weights else []
    return [f"  - name: {model.spec.name}", f"    label: {_quoted(model.label)}", *own]


def _root_line(spec: DatasetSpec, data_root: Path | None) -> str:
    if data_root is not None:
        return f"data_root: {_quoted(data_root.absolute())}\n"
    return "" if spec.bundled else "# data_root: data             # the folder of the data set, or its parent\n"


def _quoted(value: object) -> str:
    """Return a text in YAML's single quotes, in which nothing but the quote itself is special."""
    return "'" + str(value).replace("'", "''") + "'"
