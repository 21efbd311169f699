"""Run one analysis of a toy model, from the data set to the result, without a store."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from teachmatters import registry
from teachmatters.api import ModelAdapter, ModelRequest, Result
from teachmatters.api.progress import NoProgress
from teachmatters.runner.engines.local import LocalExecutor
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task, plan
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.runner.session.passes import PassPlan, run_passes
from tests import toys


def adapter(model: str = "toy-a") -> ModelAdapter:
    return toys.toy_source(ModelRequest(spec=registry.load().models[model])).build()


def tokens(images: Sequence[Image.Image], model: str = "toy-a") -> NDArray[np.float64]:
    """All tokens of every block, (layers, images, T, D), of images of the model's size."""
    network = adapter(model)
    pixels = np.stack([np.asarray(image, np.float32).transpose(2, 0, 1) for image in images]) / 255
    mean, std = (np.array(each, np.float32)[:, None, None] for each in (network.info.mean, network.info.std))
    found: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        network.stream(
            torch.from_numpy((pixels - mean) / std),
            frozenset({"block"}),
            lambda layer, _, block: found.update({layer: block.double()}),
        )
    return np.stack([found[layer].numpy() for layer in sorted(found)])


def measured(model: str) -> MeasuredModel:
    request = ModelRequest(spec=registry.load().models[model])
    return MeasuredModel(LabelledModel(model, request.spec), toys.toy_source(request).weights, adapter(model).info)


def task(metric: str, data: str, *parameters: str, root: Path | None = None, limit: int | None = None) -> Task:
    request = AnalyzeRequest(
        models=["toy-a"], metrics=[metric], db=Path("unused.db"), data=[data], data_root=root, limit=limit,
        parameters=parameters,
    )  # fmt: skip
    return plan(registry.load(), request)[0][0]


def measure(wanted: Task, batch_size: int = 4, seed: int = 0) -> Result:
    """The result of toy-a; raises what the analysis raised."""
    cpu = torch.device("cpu")
    with tempfile.TemporaryDirectory() as cache:
        settings = PassSettings(
            device=cpu, dtype=torch.float32, batch_size=batch_size, seed=seed,
            cache=Path(cache),
        )  # fmt: skip
        planned = PassPlan(settings, measured("toy-a"), [PendingTask(wanted, wanted.metrics)], print)
        for _, error in planned.refused:
            raise error
        (gathered,) = run_passes(planned, LocalExecutor(adapter(), settings, NoProgress()))
        if gathered.error is not None:
            raise gathered.error
        return gathered.analysis.compute(gathered.state())


def values(result: Result, metric: str, category: str = "", protocol: str = "") -> list[float]:
    """Layer by layer."""
    rows = [r for r in result.records if (r.metric, r.category, r.protocol) == (metric, category, protocol)]
    assert [r.layer for r in rows] == list(range(1, len(rows) + 1))
    return [r.value for r in rows]
