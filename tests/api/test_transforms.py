"""Tests of every transform against a slow implementation, and of annotations that move with the image."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional as tv

from teachmatters.api import (
    VOID,
    Box,
    Crop,
    Dense,
    IndexMask,
    Mask,
    ModelInfo,
    Pad,
    Points,
    SemanticMask,
    Stretch,
    ThumbnailCrop,
    Transform,
    TransformedImage,
)
from teachmatters.errors import TeachMattersError
from tests.api.test_transform import model, noise

Pixels = NDArray[np.uint8]
EVERY = [Crop(), Dense(), Stretch(), Pad(), ThumbnailCrop(), ThumbnailCrop(crop_to_box=True)]
SHAPES = [(320, 256), (256, 320), (100, 100), (301, 227), (47, 33), (64, 64)]
WIDE = replace(model(32), grid=(4, 8))  # inputs of 32 x 64
TALL = replace(model(32), grid=(8, 4))


def whole(transformed: TransformedImage, patch: int = 8) -> Pixels:
    """(height, width, 3), put together patch by patch from the windows that patches belong to."""
    if transformed.patches is None:
        return np.moveaxis(transformed.inputs[0], 0, 2)
    rows, columns = transformed.grid
    image = np.zeros((rows * patch, columns * patch, 3), np.uint8)
    across = transformed.inputs.shape[3] // patch
    for pixels, patches in zip(transformed.inputs, transformed.patches, strict=True):
        for i, where in enumerate(patches):
            if where >= 0:
                y, x, top, left = i // across * patch, i % across * patch, where // columns, where % columns
                tile = pixels[:, y : y + patch, x : x + patch].transpose(1, 2, 0)
                image[top * patch : (top + 1) * patch, left * patch : (left + 1) * patch] = tile
    return image


def decoded(image: Image.Image) -> Image.Image:
    """The image once saved as JPEG, opened but not decoded yet."""
    file = io.BytesIO()
    image.save(file, "JPEG")
    return Image.open(file)


def bicubic(image: Pixels, height: int, width: int) -> NDArray[np.float64]:
    """PIL's bicubic by the cubic kernel itself; clipped between the directions, as 8 bits are."""
    across = (image @ cubic_weights(image.shape[1], width).T).clip(0, 255)
    down: NDArray[np.float64] = cubic_weights(image.shape[0], height) @ across
    return down.clip(0, 255)


def cubic_weights(old: int, new: int) -> NDArray[np.float64]:
    """(new, old): Keys's kernel with a = -1/2, widened when the image shrinks."""
    weights = np.zeros((new, old))
    scale = max(1.0, old / new)
    for i in range(new):
        for j in range(old):
            x = abs(j + 0.5 - (i + 0.5) * old / new) / scale
            inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            weights[i, j] = inner if x < 1 else outer if x < 2 else 0
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def nearest(image: Pixels, height: int, width: int) -> list[list[int]]:
    """The pixel under the middle of each cell."""
    ys = [int((y + Fraction(1, 2)) * Fraction(image.shape[0], height)) for y in range(height)]
    xs = [int((x + Fraction(1, 2)) * Fraction(image.shape[1], width)) for x in range(width)]
    return [[int(image[y, x]) for x in xs] for y in ys]


def numbers(shape: tuple[int, int], count: int = 5) -> Pixels:
    """Blobs of a few numbers."""
    coarse = np.random.default_rng(shape[0]).integers(0, count, (6, 7)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize(shape, Image.Resampling.NEAREST))


def annotated(shape: tuple[int, int]) -> dict[str, dict[str, Any]]:
    index = numbers(shape)
    objects = tuple(Mask(((index == k) * 255).astype(np.uint8), k) for k in (1, 2))
    semantic = {"mask": SemanticMask(index)}
    return {"masks": {"objects": objects}, "videos": {"mask": IndexMask(index)}, "semantic": semantic}


# ---------------------------------------------------------------- annotations move with the image
@pytest.mark.parametrize("info", [model(64), WIDE], ids=["square", "wide"])
@pytest.mark.parametrize("shape", [(320, 256), (250, 321), (300, 300)])
@pytest.mark.parametrize("transform", EVERY, ids=str)
def test_a_bright_rectangle_stays_in_its_box_and_mask(
    transform: Transform, shape: tuple[int, int], info: ModelInfo
) -> None:
    left, top, right, bottom = 130, 110, 170, 150
    image = Image.new("RGB", shape)
    image.paste((255, 255, 255), (left, top, right, bottom))
    mask = np.zeros(shape[::-1], np.uint8)
    mask[top:bottom, left:right] = 255
    given: dict[str, dict[str, Any]] = {
        "masks": {"objects": (Mask(mask, 4),)},
        "retrieval": {"box": Box(60, 70, 220, 230), "easy": (1, 2)},
        "pairs": {"box": Box(left, top, right, bottom), "points": Points(np.array([[left, top], [right, bottom]]))},
    }
    transformed = transform.apply(image, given, info)
    box = transformed.annotations["pairs"]["box"]
    moved = transformed.annotations["masks"]["objects"][0]
    middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    light = whole(transformed)[..., 0]
    assert centre(light) == pytest.approx(middle, abs=0.35)
    assert light.sum() / 255 == pytest.approx((box.right - box.left) * (box.bottom - box.top), rel=0.03)
    assert moved.pixels.shape == transformed.grid
    assert moved.label == 4
    assert centre(moved.pixels, scale=8) == pytest.approx(middle, abs=1.0)  # an eighth of a patch
    corners = [[box.left, box.top], [box.right, box.bottom]]
    np.testing.assert_allclose(transformed.annotations["pairs"]["points"].xy, corners)
    assert transformed.annotations["retrieval"]["easy"] == (1, 2)


def centre(light: Pixels, scale: int = 1) -> tuple[float, float]:
    """Centre of mass (x, y), pixels covering [i, i + 1)."""
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    return float((x * light).sum() / light.sum() * scale), float((y * light).sum() / light.sum() * scale)


@pytest.mark.parametrize("transform", EVERY, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (2, 31), (8, 8), (1, 9), (9, 1), (1000, 9), (9, 1000)])
def test_small_and_odd_images_fit(transform: Transform, shape: tuple[int, int]) -> None:
    given = {**annotated(shape), "retrieval": {"box": Box(0, 0, 1, 1)}, "own": {"words": ["a"], "pair": (1, "b")}}
    for info in (model(32), WIDE, TALL):
        transformed = transform.apply(noise(*shape), given, info)
        assert transformed.inputs.shape[1:] == (3, *info.input_size)
        assert transform.inputs in (None, len(transformed.inputs))
        assert transformed.annotations["videos"]["mask"].pixels.shape == transformed.grid
        assert transformed.annotations["semantic"]["mask"].pixels.shape == whole(transformed).shape[:2]
        assert transformed.annotations["own"] == {"words": ["a"], "pair": (1, "b")}


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 30)])
@pytest.mark.parametrize("info", [model(32), WIDE, TALL], ids=["square", "wide", "tall"])
def test_an_object_that_fills_the_image_fills_the_grid(info: ModelInfo, shape: tuple[int, int]) -> None:
    full = {"masks": {"objects": (Mask(np.full(shape[::-1], 255, np.uint8), 0),)}}
    for transform in (Crop(), Dense(), Stretch(), ThumbnailCrop()):
        (mask,) = transform.apply(noise(*shape), full, info).annotations["masks"]["objects"]
        assert (mask.pixels == 255).all()


def test_a_black_and_white_image_comes_in_three_channels() -> None:
    for transform in EVERY:
        assert transform.apply(Image.new("L", (40, 30), 7), {}, model(32)).inputs.shape[1] == 3


@pytest.mark.parametrize("transform", EVERY, ids=str)
@pytest.mark.parametrize("shape", [(320, 256), (250, 321), (64, 64)])
def test_a_semantic_mask_labels_each_pixel(transform: Transform, shape: tuple[int, int]) -> None:
    """Of an image whose two halves are black and white; what lies outside of it is void."""
    mask = np.zeros(shape[::-1], np.uint8)
    mask[:, shape[0] // 2 :] = 7
    given: dict[str, dict[str, Any]] = {
        "semantic": {"mask": SemanticMask(mask)},
        "retrieval": {"box": Box(-40, 20, 200, 250)},
    }
    transformed = transform.apply(Image.fromarray((mask > 0) * np.uint8(255)).convert("RGB"), given, model(64))
    found, light = transformed.annotations["semantic"]["mask"].pixels, whole(transformed)[..., 0]
    assert set(np.unique(found)) <= {0, 7, VOID}
    assert ((found == 7) == (light > 127)).mean() > 0.98
    outside = transform == ThumbnailCrop(crop_to_box=True) or (transform == Pad() and shape[0] != shape[1])
    assert (found == VOID).any() == outside
    assert light[found == VOID].sum() < 5 * max(1, (found == VOID).sum())  # black, but for blurred edges


# ---------------------------------------------------------------- crop
@pytest.mark.parametrize("shape", [*SHAPES, (100, 81), (81, 100)])
def test_crop_cuts_masks_to_the_central_square_first(shape: tuple[int, int]) -> None:
    given = annotated(shape)
    transformed = Crop().apply(noise(*shape), given, model(64))
    side, (width, height) = min(shape), shape
    inside = slice((height - side) // 2, (height + side) // 2), slice((width - side) // 2, (width + side) // 2)
    for before, after in zip(given["masks"]["objects"], transformed.annotations["masks"]["objects"], strict=True):
        np.testing.assert_allclose(after.pixels, bicubic(before.pixels[inside], 8, 8), atol=1.01)
    index = transformed.annotations["videos"]["mask"].pixels
    np.testing.assert_array_equal(index, nearest(given["videos"]["mask"].pixels[inside], 8, 8))


@pytest.mark.parametrize(
    ("info", "shape", "inside"),
    [
        (WIDE, (320, 256), (slice(48, 208), slice(0, 320))),
        (WIDE, (320, 101), (slice(0, 101), slice(59, 261))),
        (TALL, (256, 320), (slice(0, 320), slice(48, 208))),
        (TALL, (101, 320), (slice(59, 261), slice(0, 101))),
    ],
)
def test_crop_cuts_masks_to_the_largest_central_rectangle_of_the_inputs_shape(
    info: ModelInfo, shape: tuple[int, int], inside: tuple[slice, slice]
) -> None:
    given = annotated(shape)
    transformed = Crop().apply(noise(*shape), given, info)
    for before, after in zip(given["masks"]["objects"], transformed.annotations["masks"]["objects"], strict=True):
        np.testing.assert_allclose(after.pixels, bicubic(before.pixels[inside], *info.grid), atol=1.01)


def test_crop_moves_points_by_hand() -> None:
    given = {"pairs": {"points": Points(np.array([[40.0, 0.0], [0.5, 9.25]])), "box": Box(50, 0, 70, 80)}}
    moved = Crop().apply(noise(101, 80), given, model(64)).annotations["pairs"]  # 80 x 64, then 8 off each side
    np.testing.assert_allclose(moved["points"].xy, [[40 * 80 / 101 - 8, 0], [0.5 * 80 / 101 - 8, 7.4]])
    assert moved["box"] == Box(50 * 80 / 101 - 8, 0, 70 * 80 / 101 - 8, 64)
    same = Crop().apply(noise(64, 64), given, model(64)).annotations["pairs"]
    assert same["box"] == given["pairs"]["box"]


# ---------------------------------------------------------------- dense
@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((854, 480), (16, 28)),  # 227.7 pixels, 28 patches
        ((480, 854), (28, 16)),
        ((100, 100), (16, 16)),
        ((147, 49), (16, 48)),  # exactly 384 pixels, which 128 / 49 x 147 misses
        ((20, 19), (16, 16)),
        ((700, 64), (16, 175)),
    ],
)
def test_dense_shows_every_patch_of_the_larger_image_once(shape: tuple[int, int], grid: tuple[int, int]) -> None:
    image, given = noise(*shape), annotated(shape)
    transformed = Dense().apply(image, given, model(64))
    assert transformed.grid == grid
    large = tv.resize(image, [grid[0] * 8, grid[1] * 8], tv.InterpolationMode.BICUBIC)
    np.testing.assert_array_equal(whole(transformed), np.asarray(large))
    for before, after in zip(given["masks"]["objects"], transformed.annotations["masks"]["objects"], strict=True):
        np.testing.assert_allclose(after.pixels, bicubic(before.pixels, *grid), atol=1.01)
    index = transformed.annotations["videos"]["mask"].pixels
    np.testing.assert_array_equal(index, nearest(given["videos"]["mask"].pixels, *grid))


@pytest.mark.parametrize("shape", [(854, 480), (480, 854), (100, 100), (700, 64)])
def test_a_patch_belongs_to_the_first_window_that_covers_it(shape: tuple[int, int]) -> None:
    transformed = Dense().apply(noise(*shape), {}, model(64))
    rows, columns = transformed.grid
    tops = [min(y, rows - 8) for y in range(0, rows, 8)]
    lefts = [min(x, columns - 8) for x in range(0, columns, 8)]
    windows = [(top, left) for top in tops for left in lefts]
    owner = {}
    for y in range(rows):
        for x in range(columns):
            covering = [i for i, (top, left) in enumerate(windows) if 0 <= y - top < 8 and 0 <= x - left < 8]
            owner[y, x] = covering[0]
    expected = [
        [(top + y) * columns + left + x if owner[top + y, left + x] == i else -1 for y in range(8) for x in range(8)]
        for i, (top, left) in enumerate(windows)
    ]
    assert transformed.patches is not None
    np.testing.assert_array_equal(transformed.patches, expected)


@pytest.mark.parametrize(("shape", "grid"), [((200, 100), (8, 16)), ((300, 100), (8, 24)), ((100, 100), (16, 16))])
def test_dense_covers_two_rectangular_inputs_each_way(shape: tuple[int, int], grid: tuple[int, int]) -> None:
    assert Dense().apply(noise(*shape), {}, WIDE).grid == grid


def test_dense_refuses_unsupported_sizes() -> None:
    with pytest.raises(ValueError, match="1 x 20000 pixels is too long and thin"):
        Dense().apply(Image.new("RGB", (1, 20000)), {}, model(224))
    untiled = replace(model(64), image_size=70)
    with pytest.raises(TeachMattersError, match="70 x 70 pixels are not a multiple of its 8"):
        Dense().apply(noise(80, 80), {}, untiled)


# ---------------------------------------------------------------- squeeze
@pytest.mark.parametrize("shape", SHAPES)
def test_squeeze_takes_the_whole_image(shape: tuple[int, int]) -> None:
    image, given = noise(*shape), annotated(shape)
    transformed = Stretch().apply(image, given, model(64))
    expected = tv.resize(image, [64, 64], tv.InterpolationMode.BICUBIC)
    np.testing.assert_array_equal(whole(transformed), np.asarray(expected))
    index = transformed.annotations["videos"]["mask"].pixels
    np.testing.assert_array_equal(index, nearest(given["videos"]["mask"].pixels, 8, 8))


# ---------------------------------------------------------------- pad
def padded(image: Image.Image, size: int) -> Pixels:
    """As SPair's users write it, on an array."""
    canvas = np.zeros([size, size, 3], np.uint8)
    if image.height <= image.width:
        other = int(np.around(size * image.height / image.width))
        small = np.asarray(image.resize((size, other), Image.Resampling.LANCZOS))
        canvas[(size - other) // 2 : (size + other) // 2] = small
    else:
        other = int(np.around(size * image.width / image.height))
        small = np.asarray(image.resize((other, size), Image.Resampling.LANCZOS))
        canvas[:, (size - other) // 2 : (size + other) // 2] = small
    return canvas


@pytest.mark.parametrize("shape", [*SHAPES, (128, 5), (5, 128), (300, 225), (64, 47)])
def test_pad_equals_the_usual_padding(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    transformed = Pad().apply(image, {}, model(64))
    np.testing.assert_array_equal(whole(transformed), padded(image, 64))


@pytest.mark.parametrize(
    ("shape", "point", "moved"),
    [
        ((300, 225), (150.0, 75.0), (32.0, 24.0)),  # 64 x 48, 8 above
        ((225, 300), (75.0, 150.0), (24.0, 32.0)),
        ((128, 5), (100.0, 5.0), (50.0, 33.5)),  # 2.5 rows become 2, 31 above; positions still halve
        ((64, 47), (3.0, 4.0), (3.0, 12.0)),  # 8.5 above becomes 8
        ((100, 100), (50.0, 25.0), (32.0, 16.0)),
    ],
)
def test_pad_scales_positions_by_the_long_side(
    shape: tuple[int, int], point: tuple[float, float], moved: tuple[float, float]
) -> None:
    given = {"pairs": {"points": Points(np.array([point])), "box": Box(*point, *point)}}
    after = Pad().apply(noise(*shape), given, model(64)).annotations["pairs"]
    np.testing.assert_allclose(after["points"].xy, [moved], rtol=1e-15)
    assert after["box"] == Box(*moved, *moved)


# ---------------------------------------------------------------- thumbnail
@pytest.mark.parametrize("shape", [(1300, 700), (300, 220), (220, 300), (50, 40)])
def test_thumbnail_equals_pil_on_the_whole_image(shape: tuple[int, int]) -> None:
    lazy = decoded(noise(*shape))
    small = decoded(noise(*shape)).convert("RGB")
    small.thumbnail((64, 64), Image.Resampling.LANCZOS)
    assert max(small.size) == min(64, max(shape))
    expected = tv.center_crop(tv.resize(small, 64, tv.InterpolationMode.BICUBIC), [64, 64])
    np.testing.assert_array_equal(whole(ThumbnailCrop().apply(lazy, {}, model(64))), np.asarray(expected))


def test_only_queries_are_cropped_to_their_box() -> None:
    image, box = noise(300, 220), Box(10.4, 9.5, 199.6, 200.5)  # 9.5 and 200.5 round to even
    given = {"retrieval": {"box": box, "easy": (3,)}}
    cut = Image.fromarray(np.asarray(image)[10:200, 10:200])
    expected, uncut = whole(ThumbnailCrop().apply(cut, {}, model(64))), ThumbnailCrop().apply(image, {}, model(64))
    np.testing.assert_array_equal(whole(ThumbnailCrop(crop_to_box=True).apply(image, given, model(64))), expected)
    np.testing.assert_array_equal(ThumbnailCrop().apply(image, given, model(64)).inputs, uncut.inputs)
    for none in ({}, {"retrieval": {"easy": (3,)}}, {"retrieval": {"box": None}}, {"pairs": {"box": box}}):
        whole_one = ThumbnailCrop(crop_to_box=True).apply(image, none, model(64))
        np.testing.assert_array_equal(whole_one.inputs, uncut.inputs)


@pytest.mark.parametrize("box", [Box(5, 5, 5, 9), Box(9, 5, 5, 9), Box(0, 0, 1e5, 1e5)])
def test_an_empty_or_oversized_box_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="cannot be cut out"):
        ThumbnailCrop(crop_to_box=True).apply(noise(30, 30), {"retrieval": {"box": box}}, model(64))


def test_equal_transforms_compare_equal() -> None:
    assert len({*EVERY, Crop(), Dense(), Stretch(), Pad(), ThumbnailCrop(crop_to_box=False)}) == len(EVERY)
