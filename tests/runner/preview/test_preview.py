"""Tests of the contact sheet, pixel by pixel where it matters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from teachmatters.api import Box, Item, Kind
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.datasets import OpenDataset
from teachmatters.runner.preview import contact_sheet, sections, tiles, write_preview
from teachmatters.runner.preview.sheet import SECTIONS
from teachmatters.runner.preview.source import TILE, WIDTH, Source
from teachmatters.runner.preview.tiles import GAP
from tests.annotated_toys import COLOURS, AnnotatedToys, register_datasets

DATA = AnnotatedToys()
OPENED = OpenDataset(spec=register_datasets()[0], parameters={}, dataset=DATA)
TOP = 24 + GAP  # of a section's first row, below its heading
SCALE = 2  # 60 x 40 pixels in a tile of 152
CORNER = (TILE - 60 * SCALE) // 2, (TILE - 40 * SCALE) // 2


def section(draw: Callable[[Source], Image.Image], kind: Kind) -> NDArray[np.uint8]:
    return np.asarray(draw(Source(OPENED, kind)))


def tile(drawn: NDArray[np.uint8], column: int, top: int = TOP) -> NDArray[np.uint8]:
    """The 60 x 40 pixels of a cell's image, each from the middle of its square."""
    left = column * (TILE + GAP) + CORNER[0]
    first = top + CORNER[1]
    return drawn[first : first + 40 * SCALE, left : left + 60 * SCALE]


def plain(item: Item) -> NDArray[np.uint8]:
    return np.asarray(DATA.image(item)).repeat(SCALE, 0).repeat(SCALE, 1)


def every(kind: Kind) -> list[Item]:
    return list(DATA.items(kind, "all") or ())


def test_images_are_sorted_by_class_and_not_blurred() -> None:
    drawn = section(sections.images, "labels")
    ordered = sorted(every("labels"), key=lambda item: item.label or 0)
    shown = [ordered[i] for i in (0, 1, 3, 4, 6, 7, 9, 11)]
    assert [item.key for item in shown][4] == "folder/7.png"  # which cannot be read
    for column, item in enumerate(shown):
        if column == 4:
            assert set(tile(drawn, column)[0].ravel()) == {tiles.GROUND[0]}
        else:
            np.testing.assert_array_equal(tile(drawn, column), plain(item))


def test_masks_are_tinted_inside_their_edge_and_nowhere_else() -> None:
    drawn = section(sections.masks, "masks")
    item = every("masks")[1]
    left, top, right, bottom = (SCALE * edge for edge in DATA.block(item))
    before, after = plain(item), tile(drawn, 1)
    tint = np.array(tiles.colour(1))
    inside = np.zeros(after.shape[:2], bool)
    inside[top:bottom, left:right] = True
    np.testing.assert_array_equal(after[~inside], before[~inside])
    assert (after[top, left:right] == tint).all()
    assert (after[top:bottom, right - 1] == tint).all()
    core = after[top + 1 : bottom - 1, left + 1 : right - 1]
    np.testing.assert_allclose(core, 0.6 * before[top + 1 : bottom - 1, left + 1 : right - 1] + 0.4 * tint, atol=1)
    np.testing.assert_array_equal(tile(drawn, 3), plain(every("masks")[4]))  # nothing annotated


def test_parts_have_a_colour_each() -> None:
    part = tile(section(sections.masks, "parts"), 0)
    left, top, _, bottom = (SCALE * edge for edge in DATA.block(every("parts")[0]))
    assert tuple(part[top, left]) == tiles.colour(0)
    assert tuple(part[bottom - 1, left]) == tiles.colour(1)


def test_every_pixel_has_the_colour_of_its_class_and_void_is_grey() -> None:
    drawn = section(sections.semantic, "semantic")
    queries = every("semantic")[1::2]  # as the runner divides what the data set does not
    for column, item in ((0, queries[0]), (7, queries[5])):
        if column == 0:
            shown, label = tile(drawn, column), item.label or 0
            left, top, right, bottom = (SCALE * edge for edge in DATA.block(item))
            assert tuple(shown[top, left]) == tuple(shown[bottom - 1, right - 1]) == tiles.colour(label)
            assert tuple(shown[0, 0]) == tiles.colour((label + 1) % 3)
            assert tuple(shown[0, SCALE * 3]) == tiles.FAINT


def test_a_retrieval_row_shows_query_easy_hard_junk() -> None:
    drawn = section(sections.retrieval, "retrieval")
    queries, gallery = DATA.items("retrieval", "queries") or (), DATA.items("retrieval", "gallery") or ()
    left, top, _, _ = DATA.block(queries[0])
    query = tile(drawn, 0)
    assert tuple(query[SCALE * (top - 3), SCALE * (left - 3)]) == sections.YELLOW
    for column, position in enumerate((0, 3, 7, 1, 2, 5), start=1):
        item = gallery[position]
        np.testing.assert_array_equal(tile(drawn, column), plain(item))
    assert (tile(drawn, 7) == 255).all()  # there is one junk item only
    second = TOP + TILE + 3 + 17 + GAP
    assert (tile(drawn, 1, second) == 255).all()  # nothing easy


def test_a_video_is_a_strip_with_its_objects_and_void() -> None:
    drawn = section(sections.videos, "videos")
    frames = every("videos")
    for column, number in enumerate((0, 1, 2, 3, 5, 6, 7, 9)):
        left, top, _, _ = (SCALE * edge for edge in DATA.block(frames[number]))
        strip = tile(drawn, column)
        assert tuple(strip[top, left]) == tiles.colour(0)
        np.testing.assert_array_equal(strip[: top - 1], plain(frames[number])[: top - 1])
    other = tile(drawn, 1, TOP + TILE + 3 + 17 + GAP)
    assert tuple(other[0, 0]) == tiles.FAINT  # void
    assert tuple(other[SCALE * 25, SCALE * 40]) == tiles.colour(1)
    assert (tile(drawn, 2, TOP + TILE + 3 + 17 + GAP) == 255).all()  # the second video has two frames


def test_lines_join_the_keypoints_that_correspond() -> None:
    drawn = section(sections.pairs, "pairs")
    half, scale = sections.HALF, sections.HALF // 60
    corner = np.array([(half - 60 * scale) // 2, (half - 40 * scale) // 2])
    every_pair = DATA.pairs()
    for number, pair in enumerate((every_pair[0], every_pair[3])):  # category by category
        sides = (pair.source, pair.source_points), (pair.target, pair.target_points)
        for place, (index, points) in enumerate(sides):
            known = DATA.annotations(every("pairs")[index], "pairs")
            offset = np.array([(2 * number + place) * (half + GAP), TOP]) + corner
            for i, point in enumerate(points):
                x, y = (known["points"].xy[point] * scale + offset).astype(int)
                assert tuple(drawn[y, x]) == tiles.colour(i)
            x, y = np.array([known["box"].left, known["box"].top + 5]) * scale + offset
            assert tuple(drawn[int(y), int(x)]) == sections.YELLOW


def test_one_section_per_kind_and_a_reproducible_sheet(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    write_preview(OPENED, first)
    write_preview(OPENED, second)
    assert first.read_bytes() == second.read_bytes()
    sheet = contact_sheet(OPENED)
    assert sheet.width == WIDTH + 48
    parts = [section(draw, kind) for kind, draw in SECTIONS.items() if kind != "images"]  # the labels show them
    title = round(22 * 1.4) + 2 + round(13 * 1.4)
    assert sheet.height == sum(map(len, parts)) + title + 7 * 30 + 48


def test_an_unwritable_sheet_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="cannot write"):
        write_preview(OPENED, tmp_path / "nowhere" / "a.png")


def test_large_images_are_reduced_and_small_ones_repeated() -> None:
    assert tiles.fitted(Image.new("RGB", (1000, 10)), 152, 152).size == (152, 2)
    assert tiles.fitted(Image.new("RGB", (10, 1000)), 152, 152).size == (2, 152)
    assert tiles.fitted(Image.new("RGB", (100000, 1)), 152, 152).size == (152, 1)
    small = Image.new("RGB", (2, 1), COLOURS[0])
    small.putpixel((1, 0), COLOURS[1])
    large = tiles.fitted(small, 11, 11)
    assert large.size == (10, 5)
    assert {tuple(pixel) for pixel in np.asarray(large).reshape(-1, 3)} == {COLOURS[0], COLOURS[1]}


def test_labels_are_shortened_to_fit() -> None:
    black = Image.new("RGB", (100, 17), tiles.PAPER)
    assert tiles.words("x" * 500, 100).size == black.size
    full, short = tiles.words("abcdef", 100), tiles.words("abcdef" + "g" * 50, 100)
    assert np.asarray(full).tobytes() != np.asarray(short).tobytes()
    assert np.asarray(tiles.words("a\nb\x1b", 100)).tobytes() == np.asarray(tiles.words("a?b?", 100)).tobytes()
    assert tiles.paragraph("word " * 60, 100, 3).size == (100, 45)
    assert tiles.paragraph("a" * 300 + " b", 100, 3).size == (100, 30)
    assert tiles.paragraph("", 100, 3).width == 100


def test_boxes_outside_the_image_or_inverted_are_drawn() -> None:
    image = Image.new("RGB", (20, 20))
    for box in (Box(-5, -5, 99, 99), Box(9, 9, 3, 3), Box(4, 4, 4, 4)):
        assert tiles.boxed(image, box, 1.0, sections.YELLOW).size == (20, 20)
