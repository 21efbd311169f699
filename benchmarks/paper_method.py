"""The paper's method, written from its description, and ours on the same network and images, for comparisons."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor

from benchmarks.readouts import Labelled, pass_plan
from teachmatters import registry
from teachmatters.api import Item, Kind, ModelRequest
from teachmatters.api.progress import NoProgress
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.engines.local import LocalExecutor
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.session.passes import run_passes

PATCH, BATCH, HEAD_WIDTH = 16, 16, 64


class Noise(Labelled):
    """Noise with labels alone."""

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        return {}


class Network:
    """A ViT with random weights, and noise as its images."""

    def __init__(self, images: int, layers: int, tokens: int, width: int) -> None:
        pixels, heads = PATCH * round((tokens - 1) ** 0.5), width // HEAD_WIDTH
        torch.manual_seed(0)
        shape: dict[str, Any] = {"depth": layers, "embed_dim": width, "num_heads": heads, "img_size": pixels}
        self.adapter = TimmViT(timm.create_model("vit_small_patch16_224", num_classes=0, **shape), "random")
        self.data, self.layers, self.heads = Noise(images, pixels, pixels), layers, heads
        inputs = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in self.data.images])
        mean, std = (torch.tensor(three).view(1, 3, 1, 1) for three in (self.adapter.info.mean, self.adapter.info.std))
        self.batches = torch.split((inputs.float() / 255 - mean) / std, BATCH)

    def one_pass(self) -> Tensor:
        """Measure both tasks as ``tm analyze`` does; return the distance of each head, then the accuracies in %."""
        spec = registry.load().model("random-s16")
        weights = registry.load_object(spec.factory)(ModelRequest(spec=spec)).weights
        model = MeasuredModel(LabelledModel("random", spec), weights, self.adapter.info)
        found: dict[tuple[str, int, int], float] = {}
        with tempfile.TemporaryDirectory() as cache:
            settings = PassSettings(
                device=torch.device("cpu"), dtype=torch.float32, batch_size=BATCH, seed=0, cache=Path(cache)
            )
            planned = pass_plan(model, self.data, ("attn-distance", "knn-top1"), ("knn.k=1",), settings)
            for result in run_passes(planned, LocalExecutor(self.adapter, settings, NoProgress())):
                if result.error is not None:
                    raise result.error
                for record in result.analysis.compute(result.state()).records:
                    if not record.category:
                        found[record.metric, record.layer, record.head] = record.value
        layers, heads = range(1, self.layers + 1), range(1, self.heads + 1)
        distances = [found["attn-distance", layer, head] for layer in layers for head in heads]
        return torch.tensor([*distances, *(found["knn-top1", layer, 0] for layer in layers)])

    def pass_per_layer_and_task(self) -> Tensor:
        """Measure both tasks of each layer in separate passes."""
        distances = torch.cat([self._distances(layer) for layer in range(self.layers)])
        return torch.cat([distances, torch.stack([self._accuracy(layer) for layer in range(self.layers)])])

    def _outputs(self, module: torch.nn.Module, keep: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what is kept of a module's outputs, of all images, from one pass."""
        kept: list[Tensor] = []
        handle = module.register_forward_hook(lambda _module, _inputs, output: kept.append(keep(output)))
        with torch.inference_mode():
            for batch in self.batches:
                self.adapter.forward(batch)
        handle.remove()
        return torch.cat(kept)

    def _distances(self, layer: int) -> Tensor:
        def attention(projected: Tensor) -> Tensor:
            split = projected.view(*projected.shape[:2], 3, self.heads, HEAD_WIDTH)
            queries, keys, _ = split.permute(2, 0, 3, 1, 4)
            weights: Tensor = (queries @ keys.transpose(2, 3) / HEAD_WIDTH**0.5).softmax(dim=-1)
            return weights

        maps = self._outputs(self.adapter.network.blocks[layer].attn.qkv, attention)[:, :, 1:, 1:]  # type: ignore
        side = round(maps.shape[-1] ** 0.5)
        places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).float()
        lengths: Tensor = torch.cdist(places, places) / (side - 1)
        distances: Tensor = (maps / maps.sum(dim=-1, keepdim=True) * lengths).sum(dim=-1)
        return distances.mean(dim=(0, 2))

    def _accuracy(self, layer: int) -> Tensor:
        features = self._outputs(self.adapter.network.blocks[layer], lambda output: output[:, 0])  # type: ignore
        features = torch.nn.functional.normalize(features, dim=1)
        labels = torch.tensor([item.label for item in self.data.items("labels", "all") or ()])
        queries = len(self.data.items("labels", "queries") or ())
        first = (features[:queries] @ features[queries:].T).argmax(dim=1)
        right: Tensor = (labels[queries:][first] == labels[:queries]).float()
        return right.mean() * 100
