"""Tests that the explorer holds the arrays that it was built from."""

from __future__ import annotations

import base64
import json
import re
import zlib

import numpy as np
import torch

from teachmatters.measures.attention.quantised import dequantise
from teachmatters.reports.explorer.build import build
from tests.reports.explorer.toy_explorer import IMAGES, model

MODELS = [model("a", (4, 4), registers=1), model("<i>b", (3, 5), class_token=False)]
PAGE = build(MODELS, IMAGES, title="Cats & dogs")


def blob(name: str) -> bytes:
    (text,) = re.findall(rf'<script type="application/octet-stream" id="{name}">([^<]*)</script>', PAGE)
    return zlib.decompress(base64.b64decode(text))


def test_attention_is_read_back_as_it_was() -> None:
    for m, one in enumerate(MODELS):
        for i, image in enumerate(one.images):
            data = blob(f"attention-{m}-{i}")
            largest = np.frombuffer(data[: 4 * image.largest.size], "<f4").reshape(image.largest.shape)
            steps = np.frombuffer(data[4 * image.largest.size :], np.uint8).reshape(image.steps.shape)
            found = dequantise(torch.from_numpy(steps.copy()), torch.from_numpy(largest.copy()))
            truth = dequantise(torch.from_numpy(image.steps), torch.from_numpy(image.largest))
            assert torch.equal(found, truth)


def test_similarity_and_colours_are_read_back_to_half_a_step() -> None:
    index = json.loads(re.findall(r'id="index">(.*?)</script>', PAGE)[0])
    for m, one in enumerate(MODELS):
        for (i, j), truth in one.similarity.items():
            name = f"similarity-{m}-{i}-{j}"
            low, high = np.array(index["models"][m]["ranges"][name]).T[..., None, None]
            steps = np.frombuffer(blob(name), np.uint8).reshape(truth.shape)
            assert np.abs(low + steps * (high - low) / 255 - truth).max() <= 2 / 510 + 1e-5
        for i, image in enumerate(one.images):
            colours = np.frombuffer(blob(f"pca-{m}-{i}"), np.uint8).reshape(image.colours.shape)
            assert np.abs(colours / 255 - image.colours).max() <= 1 / 510 + 1e-6


def test_names_stay_text() -> None:
    assert "<title>Cats &amp; dogs</title>" in PAGE
    assert "<b>dog" not in PAGE
    assert "<i>b" not in PAGE
    assert json.loads(re.findall(r'id="index">(.*?)</script>', PAGE)[0])["images"] == list(IMAGES)


def test_a_small_image_is_stored_without_loss() -> None:
    index = json.loads(re.findall(r'id="index">(.*?)</script>', PAGE)[0])
    assert index["models"][0]["pictures"][0].startswith("data:image/png;base64,")
