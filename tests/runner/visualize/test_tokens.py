"""Tests of the tokens of images against a network written from the papers, and of the maps made from them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics.pairwise import cosine_similarity

from teachmatters.api import ModelAdapter
from teachmatters.measures.attention.quantised import dequantise
from teachmatters.runner.forward.build import build_model
from teachmatters.runner.visualize import tokens as module
from teachmatters.runner.visualize.patch_maps import pca_colours, similarities, similarity_to
from teachmatters.runner.visualize.request import FailedImage, VisualizeRequest
from teachmatters.runner.visualize.tokens import ModelTokens, visualize_tokens
from tests.models.plain_vit import plain_vit
from tests.runner.visualize.test_visualize import attentions, toy
from tests.toys import PATCH

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{k}.png" for k in range(2)]
    for seed, path in enumerate(paths):
        noise = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return paths


def seen(photos: list[Path], model: str = "toy-a", **options: Any) -> ModelTokens:
    (answer,) = visualize_tokens(VisualizeRequest(images=photos, models=[model], **options), attention=True)
    assert isinstance(answer, ModelTokens)
    return answer


def test_tokens_and_attention_are_those_of_a_direct_forward_pass(photos: list[Path]) -> None:
    answer = seen(photos)
    network = toy("toy-a")
    state = {key: value.double() for key, value in network.state_dict().items()}
    for image in answer.images:
        inputs = (torch.from_numpy(image.pixels).double().permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
        taps = plain_vit(state, inputs, patch=PATCH, depth=3, heads=3)
        for layer in (1, 2, 3):
            np.testing.assert_allclose(image.patches[layer - 1], taps[layer, "block"][0, 1:], atol=1e-4)
        truth = attentions(network, image.pixels, heads=3, depth=3)
        assert image.attention is not None
        found = dequantise(*(torch.from_numpy(part) for part in image.attention)).numpy()
        assert (np.abs(found - truth) <= truth.max(-1, keepdims=True) / 510 + 1e-5).all()


def test_layers_and_heads_can_be_selected(photos: list[Path]) -> None:
    every, some = seen(photos), seen(photos, layers=(1, 3), heads=(2,))
    assert (some.layers, some.heads) == ((1, 3), (2,))
    for one, all_of_it in zip(some.images, every.images, strict=True):
        assert one.attention is not None
        assert all_of_it.attention is not None
        assert np.array_equal(one.patches, all_of_it.patches[[0, 2]])
        assert np.array_equal(one.attention[0], all_of_it.attention[0][[0, 2]][:, [1]])


def test_similarity_is_the_cosine(photos: list[Path]) -> None:
    answer = seen(photos)
    both, to_one = similarities(answer, 0, 1), similarity_to(answer, (1, 2))
    for layer in range(3):
        first, second = (image.patches[layer] for image in answer.images)
        np.testing.assert_allclose(both[layer], cosine_similarity(first, second), atol=1e-5)
        np.testing.assert_allclose(to_one[1, layer].flatten(), both[layer][1 * 4 + 2], atol=1e-6)
        assert to_one[0, layer, 1, 2] == pytest.approx(1, abs=1e-6)


def test_colours_are_scaled_over_all_images_or_each(photos: list[Path]) -> None:
    answer = seen(photos)
    together, own = pca_colours(answer), pca_colours(answer, own_scale=True)
    assert together.shape == own.shape == (2, 3, 4, 4, 3)
    assert together.min(axis=(0, 2, 3)).max() == 0
    assert together.max(axis=(0, 2, 3)).min() == 1
    assert own.min(axis=(2, 3)).max() == 0
    assert own.max(axis=(2, 3)).min() == 1


def test_the_background_is_black(photos: list[Path]) -> None:
    colours = pca_colours(seen(photos), only_foreground=True)
    black = (colours == 0).all(-1)
    assert 0.1 < black.mean() < 0.9


def test_a_failure_does_not_stop_the_others(photos: list[Path]) -> None:
    request = VisualizeRequest(images=photos, models=["toy-nan", "toy-b"])
    answers = list(visualize_tokens(request))
    assert isinstance(answers[0], FailedImage)
    assert "not finite" in answers[0].reason
    assert [answer.label for answer in answers[1:] if isinstance(answer, ModelTokens)] == ["toy-b"]


def test_too_much_attention_is_refused_before_a_pass(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2000)
    (answer,) = visualize_tokens(VisualizeRequest(images=photos, models=["toy-a"]), attention=True)
    assert isinstance(answer, FailedImage)
    assert "an HTML file holds at most" in answer.reason
    assert seen(photos, layers=(1,)).layers == (1,)


def test_the_last_norm_at_every_layer(photos: list[Path]) -> None:
    network = toy("toy-a").double()
    plain, normed = seen(photos), seen(photos, norm="final")
    for one, other in zip(plain.images, normed.images, strict=True):
        truth = network.norm(torch.from_numpy(one.patches).double())  # type: ignore[operator]
        np.testing.assert_allclose(other.patches, truth.detach(), atol=1e-4)
        assert np.abs(one.patches - other.patches).max() > 0.1


def test_a_model_without_a_last_norm(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*arguments: Any) -> ModelAdapter:
        adapter = build_model(*arguments)
        adapter.info = dataclasses.replace(adapter.info, last_norm="")
        return adapter

    monkeypatch.setattr("teachmatters.runner.visualize.models.build_model", without)
    (answer,) = visualize_tokens(VisualizeRequest(images=photos, models=["toy-a"], norm="final"))
    assert isinstance(answer, FailedImage)
    assert answer.reason == "--norm final: toy-a has no last norm to apply; use --norm none"
