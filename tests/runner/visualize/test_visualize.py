"""Tests of ``visualize`` against a network written from the papers, with bad images and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn

from teachmatters.api import ModelInfo
from teachmatters.errors import TeachMattersError
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.visualize.models import OpenModel
from teachmatters.runner.visualize.request import FailedImage, VisualizeRequest
from teachmatters.runner.visualize.views import ViewSelection, chosen_positions, views_of
from teachmatters.runner.visualize.visualize import ImageViews, visualize
from tests.models.plain_vit import plain_vit
from tests.toys import PATCH, toy_source

CPU = torch.device("cpu"), torch.float32

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 255, (5, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((96, 64), Image.Resampling.BICUBIC).save(path)
    return path


def run(*images: Path, models: tuple[str, ...] = ("toy-a",), **options: Any) -> list[ImageViews | FailedImage]:
    return list(visualize(VisualizeRequest(images=images, models=models, **options)))


def seen(*images: Path, **options: Any) -> ImageViews:
    (answer,) = run(*images, **options)
    assert isinstance(answer, ImageViews), answer.reason
    return answer


def attentions(network: nn.Module, pixels: np.ndarray, heads: int, depth: int) -> np.ndarray:
    """(layers, heads, T, T) of plain softmax(QK'), in float64; the image's mean and deviation are 0.5."""
    state = {key: value.double() for key, value in network.state_dict().items()}
    inputs = (torch.from_numpy(pixels).double().permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    taps = plain_vit(state, inputs, patch=PATCH, depth=depth, heads=heads)
    return np.stack([taps[layer, "attention"][0].numpy() for layer in range(1, depth + 1)])


def toy(name: str) -> nn.Module:
    from teachmatters import registry
    from teachmatters.api import ModelRequest

    adapter = toy_source(ModelRequest(spec=registry.load().model(name))).build()
    assert isinstance(adapter, TimmViT)
    return adapter.network


def test_the_maps_are_those_of_a_direct_forward_pass(photo: Path) -> None:
    answer = seen(photo)
    resized = Image.open(photo).resize((48, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(answer.pixels, np.asarray(resized.crop((8, 0, 40, 32))))
    truth = attentions(toy("toy-a"), answer.pixels, heads=3, depth=3)
    maps = dict(zip(answer.views.positions, np.moveaxis(answer.views.maps, 2, 0), strict=True))
    assert list(maps) == ["cls", "top", "left", "center", "right", "bottom", "spatial", "self"]
    rows = {"cls": 0, "top": 2, "left": 5, "center": 6, "right": 8, "bottom": 14}
    for name, row in rows.items():
        np.testing.assert_allclose(maps[name], truth[:, :, row, 1:].reshape(3, 3, 4, 4), atol=1e-5)
    spatial = truth[:, :, 1:, 1:]
    np.testing.assert_allclose(maps["spatial"], spatial.mean(2).reshape(3, 3, 4, 4), atol=1e-5)
    np.testing.assert_allclose(maps["self"], np.einsum("lhii->lhi", spatial).reshape(3, 3, 4, 4), atol=1e-5)
    assert (answer.tokens, answer.model, answer.image) == (17, "toy-a", photo)
    assert truth[:, :, 0, 1:].std() > 0.01  # the networks do look somewhere


def test_layers_heads_and_positions_can_be_selected(photo: Path) -> None:
    every = seen(photo, positions=("diagonal", "cls"))
    some = seen(photo, layers=(1, 3), heads=(2,), positions=("cls", "2:2"))
    assert every.views.positions == ("1:1", "2:2", "3:3", "4:4", "cls")
    assert np.array_equal(some.views.maps, every.views.maps[[0, 2]][:, [1]][:, :, [4, 1]])
    assert (some.views.layers, some.views.heads) == ((1, 3), (2,))


def test_a_model_of_rectangular_inputs() -> None:
    shape: dict[str, Any] = {"img_size": (24, 40), "patch_size": PATCH, "embed_dim": 24, "num_heads": 3, "depth": 2}
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0, **shape)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(1))
    pixels = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    wanted = ViewSelection(layers=(1, 2), heads=(1, 2, 3), positions=("center", "right", "3:2"))
    views = views_of(OpenModel("rectangle", "", TimmViT(network, "rectangle"), *CPU), pixels, wanted)
    truth = attentions(network, pixels, heads=3, depth=2)
    for place, row in enumerate((8, 10, 12)):
        np.testing.assert_allclose(views.maps[:, :, place], truth[:, :, row, 1:].reshape(2, 3, 3, 5), atol=1e-5)


def test_without_a_class_token_the_mean_over_patches_comes_first(photo: Path) -> None:
    assert seen(photo, models=("toy-bare",)).views.positions == (
        "spatial", "top", "left", "center", "right", "bottom", "self",
    )  # fmt: skip
    (answer,) = run(photo, models=("toy-bare",), positions=("cls",))
    assert isinstance(answer, FailedImage)
    assert "unknown position 'cls'" in answer.reason
    assert "Positions of toy-bare: spatial, top" in answer.reason


@pytest.mark.parametrize("position", ["centre", "0:1", "15:1", "1:6", "1:", "", "1:2:3"])
def test_invalid_positions_are_refused(position: str) -> None:
    info = ModelInfo(
        arch="", depth=1, heads=1, width=1, patch_size=8, image_size=32, grid=(14, 5), class_token=True, registers=0,
        mean=(0.5,) * 3, std=(0.5,) * 3,
    )  # fmt: skip
    assert chosen_positions(("14:5", "cls", "cls"), info, "m") == ("14:5", "cls")
    with pytest.raises(TeachMattersError, match=r"ROW:COLUMN from 1:1 to 14:5"):
        chosen_positions((position,), info, "m")


def test_numbers_out_of_range_name_the_range(photo: Path) -> None:
    for options, words in (
        ({"layers": (1, 4)}, "--layers 4: toy-a has layers 1 to 3"),
        ({"heads": (4,)}, "--heads 4: toy-a has heads 1 to 3"),
    ):
        (missed,) = visualize(VisualizeRequest(images=[photo], models=["toy-a"], **options))
        assert isinstance(missed, FailedImage)
        assert missed.reason.startswith(words)


def test_a_bad_image_or_model_does_not_stop_the_others(photo: Path, tmp_path: Path) -> None:
    broken, nowhere = tmp_path / "broken.png", tmp_path / "nowhere.png"
    broken.write_bytes(photo.read_bytes()[:60])
    answers = run(nowhere, photo, broken, models=("toy-broken", "toy-nan", "toy-b"))
    missed = {each.what: each.reason for each in answers if isinstance(each, FailedImage)}
    assert list(missed) == [str(nowhere), str(broken), "toy-broken", "toy-nan"]
    assert "there is no such file" in missed[str(nowhere)]
    assert "cannot be read as an image" in missed[str(broken)]
    assert missed["toy-broken"] == "toy-broken is broken"
    assert "not finite" in missed["toy-nan"]
    assert [(each.model, each.image) for each in answers if isinstance(each, ImageViews)] == [("toy-b", photo)]


def test_no_model_is_built_for_images_that_cannot_be_read(tmp_path: Path) -> None:
    (missed,) = run(tmp_path / "nowhere.png", models=("toy-broken",))
    assert isinstance(missed, FailedImage)
    assert "no such file" in missed.reason


@pytest.mark.parametrize(("mode", "like"), [("CMYK", "RGB"), ("RGBA", "RGB"), ("LA", "L"), ("I;16", "L")])
def test_images_of_any_kind(mode: str, like: str, photo: Path, tmp_path: Path) -> None:
    plain = Image.open(photo).convert(like)
    odd = Image.fromarray(np.asarray(plain).astype(np.uint16) * 257) if mode == "I;16" else plain.convert(mode)
    paths = tmp_path / "plain.png", tmp_path / "odd.tif"
    plain.save(paths[0])
    odd.save(paths[1])
    with Image.open(paths[1]) as stored:
        assert stored.mode == mode
    expected, found = (each.pixels.astype(int) for each in run(*paths) if isinstance(each, ImageViews))
    assert np.abs(expected - found).max() <= 1


def test_impossible_requests_are_refused_at_once(photo: Path) -> None:
    for options, words in (
        ({"dtype": "int8"}, "unknown dtype"),
        ({"seed": -1}, "--seed -1"),
        ({"device": "tpu"}, "unknown device"),
        ({"models": ("toy-z",)}, "unknown model"),
    ):
        with pytest.raises(TeachMattersError, match=words):
            visualize(VisualizeRequest(images=[photo], **{"models": ("toy-a",), **options}))  # type: ignore[arg-type]
