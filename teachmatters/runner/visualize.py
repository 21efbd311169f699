"""``tm visualize``: the attention of one picture after another, layer by layer, with nothing kept on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from teachmatters.api import Crop, ModelInfo, ModelRequest
from teachmatters.datasets.pictures import read_picture
from teachmatters.errors import TeachMattersError
from teachmatters.measures.attention_views import Views
from teachmatters.registry import call, load
from teachmatters.runner.device import find_device, find_dtype
from teachmatters.runner.labels import LabelledModel, labelled_models
from teachmatters.runner.measure import Bench
from teachmatters.runner.request import Dtype, Listener, Silence
from teachmatters.runner.views import Wanted, chosen_numbers, chosen_positions, views_of


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeRequest:
    """One visualize command.

    Attributes:
        pictures: files.
        models, weights: as for ``tm analyze``.
        layers, heads: from 1; empty: all.
        positions: of POSITIONS, ``ROW:COLUMN`` or ``diagonal``; empty: POSITIONS.
        device, dtype, seed: as for ``tm analyze``.
    """

    pictures: Sequence[Path]
    models: Sequence[str]
    weights: Sequence[str] = ()
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    positions: tuple[str, ...] = ()
    device: str = "auto"
    dtype: Dtype = "float32"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A picture in a model.

    Attributes:
        model: its label.
        picture: the file.
        image: uint8 (height, width, 3), what the model saw of it.
        tokens: how many share the attention of one.
        views: its attention.
    """

    model: str
    picture: Path
    image: NDArray[np.uint8]
    tokens: int
    views: Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What could not be shown: a picture, or a model as a whole."""

    what: str
    error: Exception

    @property
    def reason(self) -> str:
        """Why, in a line."""
        kind = "" if isinstance(self.error, TeachMattersError) else f"{type(self.error).__name__}: "
        return kind + " ".join(str(self.error).split())


def visualize(request: VisualizeRequest, listener: Listener | None = None) -> Iterator[Seen | Missed]:
    """Every picture in every model, one at a time. What fails does not stop the rest.

    Raises:
        TeachMattersError: the request cannot be carried out.
    """
    listener = listener or Silence()
    dtype = find_dtype(request.dtype)
    if request.seed < 0:
        raise TeachMattersError(f"--seed {request.seed}: it must be at least 0")
    models = labelled_models(load(), request.models, request.weights)
    bench = Bench(
        device=find_device(request.device),
        dtype=dtype,
        batch_size=None,
        seed=request.seed,
        listener=listener,
    )
    return _all(request, models, bench)


def _all(request: VisualizeRequest, models: Sequence[LabelledModel], bench: Bench) -> Iterator[Seen | Missed]:
    readable = []
    for path in request.pictures:  # before a model is fetched for them
        try:
            _read(path)
            readable.append(path)
        except TeachMattersError as error:
            yield Missed(what=str(path), error=error)
    for model in models if readable else ():
        bench.listener.begin(model.label, len(readable))
        try:
            yield from _in_model(request, model, bench, readable)
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told at the end
            yield Missed(what=model.label, error=error)
        finally:
            bench.listener.finish()


def _in_model(
    request: VisualizeRequest, model: LabelledModel, bench: Bench, paths: Sequence[Path]
) -> Iterator[Seen | Missed]:
    source = call(model.spec.factory, ModelRequest(spec=model.spec, weights=model.weights, seed=request.seed))
    adapter = bench.build(source)
    for remark in source.remarks:
        bench.listener.say(f"{model.label}: {remark}")
    info = adapter.info
    wanted = Wanted(
        layers=chosen_numbers("--layers", request.layers, info.depth, model.label),
        heads=chosen_numbers("--heads", request.heads, info.heads, model.label),
        positions=chosen_positions(request.positions, info, model.label),
    )
    for path in paths:
        try:
            image = _prepared(_read(path), path, info)
            views = views_of(adapter, image, wanted, (bench.device, bench.dtype))
        except TeachMattersError as error:
            yield Missed(what=f"{path} in {model.label}", error=error)
            continue
        yield Seen(model=model.label, picture=path, image=image, tokens=info.tokens, views=views)
        bench.listener.advance(1)


def _read(path: Path) -> Image:
    try:
        return read_picture(path, upright=True)
    except FileNotFoundError as error:
        raise TeachMattersError(f"no picture {str(path)!r}: there is no such file; check the path") from error
    except (OSError, ValueError, SyntaxError) as error:
        why = " ".join(str(error).split())
        raise TeachMattersError(f"{str(path)!r} cannot be read as a picture: {why}; name another") from error


def _prepared(picture: Image, path: Path, info: ModelInfo) -> NDArray[np.uint8]:
    try:
        inputs = Crop().prepare(picture, {}, info).inputs
    except ValueError as error:
        raise TeachMattersError(f"{str(path)!r}: {error}; name another") from error
    return np.ascontiguousarray(inputs[0].transpose(1, 2, 0))
