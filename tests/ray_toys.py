"""A plugin whose failures happen only on a worker; workers and tests import it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.numpy import save_file

from teachmatters.api import AnalysisSpec, Batch, Dataset, DatasetRequest, DatasetSpec, Item, MetricSpec, Parameter, Tap
from teachmatters.cache import states
from teachmatters.hookspecs import hookimpl
from tests.toys import ToyData, ToyMotion

TROUBLES = ("", "dies once", "dies always", "sees no files", "disk full", "slow", "cannot be sent")


class TroubledData(ToyData):
    """Toy images on a machine in trouble, from the thirteenth image on."""

    def __init__(self, trouble: str, mark: Path) -> None:
        super().__init__(21)
        self.trouble, self.mark, self.home = trouble, mark, os.getpid()
        self.held: Any = sys.stderr if trouble == "cannot be sent" else None

    def image(self, item: Item) -> Image.Image:
        away = os.getpid() != self.home
        setattr(states, "save_file", full if self.trouble == "disk full" and away else save_file)  # noqa: B010
        if self.trouble == "slow":
            time.sleep(0.1)
        if away and int(item.key.split()[-1]) >= 12:
            self.suffer()
        return super().image(item)

    def suffer(self) -> None:
        if self.trouble == "sees no files":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if self.trouble == "dies always" or (self.trouble == "dies once" and not self.mark.exists()):
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def troubled(request: DatasetRequest) -> Dataset:
    return TroubledData(request.parameters["trouble"], Path(request.parameters["mark"]))


class Breaking(ToyMotion):
    """Breaks at a frame in the second half."""

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if any(row.index > 12 for row in batch.rows):
            raise ZeroDivisionError("by a frame")
        super().update(layer, tap, batch)


@hookimpl
def register_datasets() -> list[DatasetSpec]:
    parameters = (
        Parameter(name="trouble", kind="str", default="", summary="what goes wrong", in_setting=False),
        Parameter(name="mark", kind="str", default="mark", summary="a file that says it has", in_setting=False),
    )
    kinds: Any = frozenset({"images", "labels", "masks", "videos"})
    return [
        DatasetSpec(
            name="troubled", summary="for tests", kinds=kinds, factory="tests.ray_toys:troubled", bundled=True,
            parameters=parameters,
        )
    ]  # fmt: skip


@hookimpl
def register_analyses() -> list[AnalysisSpec]:
    metric = MetricSpec(name="toy-breaking", title="motion", summary="for tests", level="category")
    save = Parameter(name="save", kind="str", default=None, summary="an effect", in_setting=False)
    return [
        AnalysisSpec(
            name="toy-breaking", summary="for tests", metrics=(metric,), parameters=(save,), kind="videos",
            factory="tests.ray_toys:Breaking", default_data="toys",
        )
    ]  # fmt: skip
