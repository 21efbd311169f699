"""A plugin for the tests: tiny models, generated data, and analyses of every kind."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image

from teachmatters.api import (
    Analysis,
    AnalysisSpec,
    Batch,
    Context,
    Dataset,
    DatasetRequest,
    DatasetSpec,
    InputSpec,
    Item,
    Kind,
    Mask,
    MetricSpec,
    ModelInfo,
    ModelRequest,
    ModelSource,
    ModelSpec,
    Parameter,
    Parameters,
    Record,
    Result,
    Role,
    State,
    StoredMap,
    Tap,
    Transform,
    TransformedImage,
)
from teachmatters.api.transform import pixels
from teachmatters.errors import TeachMattersError
from teachmatters.hookspecs import hookimpl
from teachmatters.models.timm.vit import TimmViT
from tests.toy_collect import TOY_COLLECTED
from tests.toy_tasks import TOY_TASKS

PATCH, SIZE, WIDTH = 8, 32, 24


# ---------------------------------------------------------------- models
def toy_network(depth: int, seed: int, **options: Any) -> torch.nn.Module:
    """A ViT whose attention is not nearly uniform, as that of a fresh network is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed also notes the whole stack, for each other device
        shape: dict[str, Any] = {
            "img_size": SIZE,
            "patch_size": PATCH,
            "embed_dim": WIDTH,
            "num_heads": 3,
            "depth": depth,
        }
        network = timm.create_model("vit_tiny_patch16_224", num_classes=0, **shape, **options)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name.endswith("attn.qkv.weight") or name == "pos_embed":
                    parameter.normal_(std=0.4)
    return network


def toy_source(request: ModelRequest) -> ModelSource:
    """The source of every toy model; ``toy-nan`` breaks in its second layer, ``toy-bare`` has no class token."""
    name, depth = request.spec.name, request.spec.depth

    def build() -> TimmViT:
        options = {"class_token": False, "global_pool": "avg"} if name == "toy-bare" else {}
        network = toy_network(depth, seed=len(name) + ord(name[-1]) + request.seed, **options)
        if name == "toy-nan":
            with torch.no_grad():
                network.blocks[1].mlp.fc1.weight[0, 0] = float("nan")  # type: ignore[index,union-attr]
        return TimmViT(network, name)

    if name == "toy-broken":
        raise TeachMattersError("toy-broken is broken")
    return ModelSource(hashlib.sha256(f"{name} {request.seed}".encode()).hexdigest(), build)


def toy_model(name: str, depth: int) -> ModelSpec:
    return ModelSpec(
        name=name, family="toy", supervision="none", summary="for tests", factory="tests.toys:toy_source", depth=depth
    )


# ---------------------------------------------------------------- data
class ToyData(Dataset):
    """Noise images with labels and masks, or videos of four frames of a moving square; ``bad`` ones are broken."""

    kinds: frozenset[Kind] = frozenset({"images", "labels", "masks", "videos"})
    classes = ("even", "odd")

    def __init__(self, count: int, bad: Sequence[int] = ()) -> None:
        self.count, self.bad = count, {f"image {i}" for i in bad}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        if role != "all":
            return None
        if kind == "videos":
            keys = [(video, frame) for video in range(self.count // 4) for frame in range(4)]
            return [Item(f"video {v} frame {f}", 0, group=f"video {v}", units=(v,)) for v, f in keys]
        return [Item(f"image {i}", 0, label=i % 2) for i in range(self.count)]

    def image(self, item: Item) -> Image.Image:
        if item.key in self.bad:
            raise OSError("image file is truncated")
        seed = [int(word) for word in item.key.split() if word.isdigit()]
        noise = np.random.default_rng(seed[0]).integers(0, 255, (6, 9, 3)).astype(np.uint8)
        image = Image.fromarray(noise).resize((60, 40), Image.Resampling.BICUBIC)
        if len(seed) > 1:
            image.paste((255, 255, 255), (10 * seed[1], 5, 10 * seed[1] + 12, 20))
        return image

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        """An object that is elsewhere in each image, and one outside of the crop; every fifth has only that."""
        if kind != "masks":
            return {}
        number = int(item.key.split()[-1])
        near, far = np.zeros((2, 40, 60), np.uint8)
        near[number % 20 : number % 20 + 15, 15 + number % 12 : 35] = 255 * (number % 5 > 0)
        far[:, :9] = 255
        return {"objects": (Mask(near, 0), Mask(far, 0))}


def toy_data(request: DatasetRequest) -> ToyData:
    return ToyData(request.parameters["count"], request.parameters["bad"])


# ---------------------------------------------------------------- an analysis of videos, in windows
@dataclass(frozen=True, slots=True)
class Halves(Transform):
    """The left and the right half of an image, each squeezed to the model's size: two windows of one item."""

    def apply(
        self, image: Image.Image, annotations: Mapping[str, Mapping[str, Any]], model: ModelInfo
    ) -> TransformedImage:
        rows, columns = model.grid
        middle, size = image.width // 2, (model.image_size, model.image_size)
        boxes = [(0, 0, middle, image.height), (middle, 0, image.width, image.height)]
        inputs = np.stack([pixels(image.crop(box).resize(size)) for box in boxes])
        left = np.arange(rows)[:, None] * 2 * columns + np.arange(columns)
        patches = np.stack([left.ravel(), left.ravel() + columns])
        return TransformedImage(inputs, (rows, 2 * columns), patches, annotations)


class ToyMotion(Analysis):
    """How far the patches of a video move from frame to frame, which depends on the order of the frames."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"block"}), transform=Halves(), group="own")

    def start(self, context: Context) -> None:
        self.context = context
        self.videos: dict[int, list[float]] = {}
        self.frames: dict[int, dict[int, torch.Tensor]] = {}

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        for values, row in zip(batch.values, batch.rows, strict=True):
            assert row.patches is not None
            empty = torch.full((row.grid[0] * row.grid[1], values.shape[-1]), torch.nan)
            whole = self.frames.setdefault(layer, {}).setdefault(row.index, empty)
            whole[torch.from_numpy(row.patches)] = values[self.context.model.prefix :].float()

    def end_group(self) -> None:
        number = min(self.frames[1])
        steps = [torch.stack([frames[i] for i in sorted(frames)]).diff(dim=0) for frames in self.frames.values()]
        self.videos[number] = [float(step.norm(dim=-1).mean()) for step in steps]
        self.frames = {}

    def state(self) -> State:
        order = sorted(self.videos)
        motion = np.array([self.videos[i] for i in order]).reshape(len(order), self.context.model.depth)
        return {"first": np.array(order, dtype=np.int64), "motion": motion, "made by": "toy", "version": 1}

    def merge(self, states: Sequence[State]) -> State:
        joined = {key: np.concatenate([np.asarray(s[key]) for s in states]) for key in ("first", "motion")}
        order = np.argsort(joined["first"])
        return {"first": joined["first"][order], "motion": joined["motion"][order], "made by": "toy", "version": 1}

    def compute(self, state: State) -> Result:
        motion, first = np.asarray(state["motion"]), np.asarray(state["first"])
        names = [self.context.items["all"][i].group for i in first]
        result = Result(notes={"videos": len(names)})
        for layer in range(1, motion.shape[1] + 1):
            values = motion[:, layer - 1]
            result.records.append(Record(metric="toy-motion", layer=layer, value=float(values.mean()), n=len(values)))
            result.records += [
                Record(metric="toy-motion", layer=layer, category=name, value=float(value))
                for name, value in zip(names, values, strict=True)
            ]
            result.maps.append(
                StoredMap(name="unit:toy-motion", layer=layer, axes=("unit",), array=values, units=tuple(names))
            )
        return result


# ---------------------------------------------------------------- an analysis of pairs of models
class ToySimilarity(Analysis):
    """Likeness of Gram matrices of ``batch`` images at a time; an incomplete last batch is left out."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"block"}), group=parameters["batch"])

    def start(self, context: Context) -> None:
        self.context = context
        self.tokens: dict[int, dict[int, torch.Tensor]] = {}
        self.grams: dict[int, torch.Tensor] = {}

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        for values, row in zip(batch.values, batch.rows, strict=True):
            self.tokens.setdefault(layer, {})[row.index] = values.flatten().double()

    def end_group(self) -> None:
        members = sorted(self.tokens[1])
        if len(members) == self.context.parameters["batch"]:
            layers = [torch.stack([tokens[i] for i in members]) for tokens in self.tokens.values()]
            self.grams[members[0]] = torch.stack([x @ x.T for x in layers])
        self.tokens = {}

    def state(self) -> State:
        order = sorted(self.grams)
        size = self.context.parameters["batch"]
        empty = torch.zeros(0, self.context.model.depth, size, size)
        grams = torch.stack([self.grams[i] for i in order]) if order else empty
        return {"first": np.array(order, dtype=np.int64), "grams": grams.numpy()}

    def merge(self, states: Sequence[State]) -> State:
        joined = {key: np.concatenate([np.asarray(s[key]) for s in states]) for key in ("first", "grams")}
        order = np.argsort(joined["first"])
        return {key: values[order] for key, values in joined.items()}

    def compare(self, state: State, other: State) -> Result:
        a, b = torch.tensor(np.asarray(state["grams"])), torch.tensor(np.asarray(other["grams"]))
        alike = torch.einsum("gaij,gbij->ab", a, b)
        norms = [torch.einsum("glij,glij->l", x, x).sqrt() for x in (a, b)]
        values = alike / norms[0][:, None] / norms[1][None]
        return Result(
            records=[
                Record(metric=metric, layer=i + 1, other_layer=j + 1, value=float(values[i, j]))
                for metric in sorted(self.context.metrics)
                for i in range(values.shape[0])
                for j in range(values.shape[1])
            ]
        )


# ---------------------------------------------------------------- what the plugin offers
@hookimpl
def register_models() -> list[ModelSpec]:
    models = [toy_model("toy-a", 3), toy_model("toy-b", 2), toy_model("toy-c", 3)]
    return [*models, toy_model("toy-nan", 3), toy_model("toy-bare", 2), toy_model("toy-broken", 2)]


@hookimpl
def register_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="toys",
            summary="for tests",
            kinds=frozenset({"images", "labels", "masks", "videos"}),
            factory="tests.toys:toy_data",
            bundled=True,
            parameters=(
                Parameter(name="count", kind="int", default=21, summary="how many images", minimum=0),
                Parameter(name="bad", kind="ints", default=(), summary="images that cannot be read"),
            ),
        ),
        TOY_TASKS,
    ]


@hookimpl
def register_analyses() -> list[AnalysisSpec]:
    motion = MetricSpec(name="toy-motion", title="motion", summary="for tests", level="category", bounds=(0, None))
    parts = MetricSpec(name="toy-parts", title="parts", summary="for tests", kind="parts")
    similarity = MetricSpec(name="toy-similarity", title="similarity", summary="for tests", level="layer-pair")
    of_class_tokens = dataclasses.replace(similarity, name="toy-similarity-cls", needs_class_token=True)
    save = Parameter(name="save", kind="str", default=None, summary="an effect", in_setting=False)
    batch = Parameter(name="batch", kind="int", default=4, summary="images a Gram matrix", minimum=2)
    return [
        AnalysisSpec(
            name="toy-video",
            summary="for tests",
            metrics=(motion, parts),
            parameters=(save,),
            factory="tests.toys:ToyMotion",
            kind="videos",
            default_data="toys",
        ),
        AnalysisSpec(
            name="toy-pairs",
            summary="for tests",
            metrics=(similarity, of_class_tokens),
            factory="tests.toys:ToySimilarity",
            parameters=(batch,),
            pairs=True,
            default_data="toys",
        ),
        TOY_COLLECTED,
    ]
