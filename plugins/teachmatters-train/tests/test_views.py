from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2gray

from teachmatters_train import views
from teachmatters_train.recipe import seeded
from teachmatters_train.views import View, look

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 3, 64, 64), dtype=np.uint8))
WHOLE = (1.0, 1.0)
STRONG = View(area=(0.2, 1.0), colours=(0.4, 0.1), grey=0.2, rotation=20.0)


def test_views_depend_only_on_the_seed() -> None:
    with seeded(3, 5):
        first = look(IMAGES, STRONG)[0]
    torch.rand(7)
    with seeded(3, 5):
        second = look(IMAGES, STRONG)[0]
    with seeded(3, 6):
        third = look(IMAGES, STRONG)[0]
    assert torch.equal(first, second)
    assert not torch.allclose(first, third)
    assert first.dtype == torch.float32
    assert first.abs().max() <= 1


def test_the_random_state_is_restored() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    with seeded(1, 1):
        look(IMAGES, STRONG)
    assert torch.equal(torch.rand(1), expected)


def test_a_whole_image_is_itself_or_its_mirror_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters_train.views.math.log", lambda ratio: 0.0)  # squares only
    with seeded(0, 0):
        found, mirrored = look(IMAGES, View(area=WHOLE))
    assert 0 < mirrored.sum() < 6
    expected = IMAGES.float() / 127.5 - 1
    expected[mirrored] = expected[mirrored].flip(-1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_crops_keep_their_share_of_the_image() -> None:
    """On a slope from left to right and one from top to bottom, the spans of the view are its sides."""
    slope = torch.linspace(0, 255, 64).round().byte().expand(1, 64, 64)
    image = torch.stack([slope, slope.transpose(1, 2), slope], 1).expand(200, 3, 64, 64)
    with seeded(0, 0):
        found, _ = look(image, View(area=(0.3, 0.5)))
    spans = (found.amax((2, 3)) - found.amin((2, 3))) / 2 * 64 / 63
    areas = spans[:, 0] * spans[:, 1]
    assert 0.27 < areas.min() < 0.33
    assert 0.46 < areas.max() < 0.53
    ratios = spans[:, 0] / spans[:, 1]
    assert ratios.max() < 1.4
    assert ratios.min() > 0.71


def test_local_views_are_small() -> None:
    assert look(IMAGES, View(size=32, area=(0.1, 0.4)))[0].shape == (6, 3, 32, 32)


def test_grey_has_the_luminance_of_the_colour() -> None:
    images = IMAGES.float() / 255
    found = views._grey(images)[:, 0].numpy()
    expected = rgb2gray(images.numpy().transpose(0, 2, 3, 1))  # other weights of red and blue, of newer screens
    assert np.abs(found - expected).mean() < 0.08
    torch.testing.assert_close(views._grey(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))


def test_rotated_views_are_rotated() -> None:
    """A slope from left to right becomes a slope along another direction, whose angle is at most the setting."""
    slope = torch.linspace(0, 255, 64).round().byte().expand(100, 3, 64, 64)
    with seeded(0, 0):
        found, mirrored = look(slope, View(area=(0.25, 0.3), rotation=30.0))
    middle = found[:, 0, 16:48, 16:48]  # its corners stay inside the crop's image
    across = (middle[:, :, -1] - middle[:, :, 0]).mean(1) * torch.where(mirrored, -1, 1)
    down = (middle[:, -1] - middle[:, 0]).mean(1)
    angles = torch.atan2(down, across).rad2deg()
    assert 24 < angles.max() < 36  # aspect ratios stretch the angle a little
    assert -36 < angles.min() < -24


def test_turning_hue_keeps_grey_and_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_rand", lambda images: torch.full((len(images), 1, 1, 1), 1.0))
    colours = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    third = views._turn(colours, 1 / 3)  # red a third of the way round is another primary colour
    torch.testing.assert_close(third.flatten(), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
    grey = torch.full((1, 3, 2, 2), 0.4)
    torch.testing.assert_close(views._turn(grey, 0.2), grey)
