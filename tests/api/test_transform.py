"""Tests of Crop against torchvision, bit for bit, and of images that are too long and thin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional as tv

from teachmatters.api import Crop, Mask, ModelInfo
from teachmatters.errors import TeachMattersError
from tests.runner.record.test_validate import info


def model(size: int) -> ModelInfo:
    return replace(info(1), image_size=size, grid=(size // 8, size // 8))


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize(
    "shape", [(320, 256), (256, 320), (100, 100), (224, 224), (64, 300), (33, 47), (8, 8), (301, 227)]
)
def test_crop_equals_torchvision_bit_for_bit(shape: tuple[int, int], size: int) -> None:
    image = noise(*shape)
    expected = tv.center_crop(tv.resize(image, size, tv.InterpolationMode.BICUBIC), [size, size])
    transformed = Crop().apply(image, {"labels": {"a": 1}}, model(size))
    assert transformed.inputs.shape == (1, 3, size, size)
    np.testing.assert_array_equal(transformed.inputs[0].transpose(1, 2, 0), np.asarray(expected))
    assert transformed.grid == (size // 8, size // 8)
    assert transformed.annotations == {"labels": {"a": 1}}


def test_a_one_pixel_line_is_refused_before_it_is_enlarged() -> None:
    with pytest.raises(ValueError, match="1 x 20000 pixels is too long and thin"):
        Crop().apply(Image.new("RGB", (1, 20000)), {}, model(224))


@pytest.mark.parametrize("short_side", [64, 73, 256])
@pytest.mark.parametrize("shape", [(320, 256), (256, 320), (33, 47), (301, 227)])
def test_a_longer_short_side_equals_torchvision_bit_for_bit(shape: tuple[int, int], short_side: int) -> None:
    image = noise(*shape)
    expected = tv.center_crop(tv.resize(image, short_side, tv.InterpolationMode.BICUBIC), [64, 64])
    crop = Crop(short_side)
    np.testing.assert_array_equal(crop.apply(image, {}, model(64)).inputs[0].transpose(1, 2, 0), np.asarray(expected))


def test_masks_follow_the_narrower_crop() -> None:
    """The middle 64 / 128 of the square that fits, in a grid of 8 x 8."""
    mask = noise(140, 100).convert("L")
    annotations = {"masks": {"objects": (Mask(np.asarray(mask), 0),)}}
    found = Crop(128).apply(noise(140, 100), annotations, model(64)).annotations["masks"]["objects"][0].pixels
    expected = mask.crop((45, 25, 95, 75)).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_short_side_below_the_models_size_is_refused() -> None:
    with pytest.raises(TeachMattersError, match="short_side=63 is less than the 64 pixels"):
        Crop(63).check(model(64))
