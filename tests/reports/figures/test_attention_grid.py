from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from teachmatters.measures.attention.attention_views import Views
from teachmatters.reports.figures import plots
from teachmatters.reports.figures.attention_grid import Scale, draw, overlay
from teachmatters.reports.figures.panel_sheet import is_our_figure


def views(layers: int, heads: int, positions: tuple[str, ...], size: tuple[int, int] = (4, 4)) -> Views:
    maps = np.random.default_rng(0).random((layers, heads, len(positions), *size), dtype=np.float32)
    every = range(1, layers + 1), range(1, heads + 1)
    return Views(layers=tuple(every[0]), heads=tuple(every[1]), positions=positions, maps=maps)


def image(height: int = 32, width: int = 32) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)


def drawn(figure: Figure, path: Path) -> np.ndarray:
    plots.save(figure, path)
    with Image.open(path) as pixels:
        return np.asarray(pixels.convert("RGB"))


def test_the_overlay_is_light_on_grey_patch_by_patch() -> None:
    pixels = np.full((4, 6, 3), 0.5, dtype=np.float32)
    values = np.array([[0.0, 0.1, 0.2], [0.05, 0.0, 0.0]], dtype=np.float32)
    found = overlay(pixels, values, 0.2)
    assert found.shape == (4, 6, 3)
    for y in range(4):
        for x in range(6):
            heat = np.array(mpl.colormaps["inferno"](values[y // 2, x // 2] / 0.2)[:3])
            np.testing.assert_allclose(found[y, x], np.minimum(0.9 * heat + 0.5 * 0.5, 1), atol=1e-5)


def test_a_map_of_nothing_is_dark() -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.float32)
    assert overlay(pixels, np.zeros((2, 2), dtype=np.float32), 0).max() < 0.02


def test_every_panel_has_a_title_and_the_end_of_its_scale() -> None:
    shown = views(2, 3, ("center", "cls"))
    figure = draw("cat.png", "dino-s16", image(), shown.grid("layers-heads"), tokens=17)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for layer in (1, 2):
        for head in (1, 2, 3):
            assert f"[{layer}, {head}]" in texts
            assert f"{shown.maps[layer - 1, head - 1, 0].max():.2g}" in texts
    assert {"layer 1", "layer 2", "head 3", "attention of the center patch"} <= set(texts)
    assert {"cat.png", "dino-s16"} <= set(texts)
    assert "uniform attention on 17 tokens: 0.059" in texts


def test_the_query_patch_is_framed_in_every_row(tmp_path: Path) -> None:
    grid = views(2, 2, ("cls", "left")).grid("layers-positions")
    figure = draw("cat.png", "m", np.zeros_like(image()), grid, tokens=17)
    frames = figure.axes[0].patches
    assert len(frames) == 2 * 2  # two rows, each frame drawn dark and bright; none for the class token
    assert {(round(f.get_width()), round(f.get_height())) for f in frames} == {(40, 40)}  # type: ignore[attr-defined]
    left, pixels = 88 + 160 + 8, drawn(figure, tmp_path / "a.png")
    bright = np.abs(pixels.astype(int) - (0, 229, 255)).max(-1) < 60
    assert 2 * 100 < bright.sum() == bright[:, left - 2 : left + 44].sum()
    assert {round(f.get_x()) for f in frames} == {left}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("rows", "columns", "grid", "size"), [
    (1, 1, (4, 4), (32, 32)), (4, 12, (4, 4), (32, 32)), (1, 24, (4, 4), (32, 32)), (2, 2, (2, 6), (32, 96)),
    (2, 2, (6, 2), (96, 32)),
])  # fmt: skip
def test_nothing_overlaps_and_nothing_is_cut_off(
    rows: int, columns: int, grid: tuple[int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    """Every text lies within the drawing and none on another, from one panel to many, upright and lying."""
    shown = views(rows, columns, ("cls",), grid).grid("layers-heads")
    figure = draw("a" * 60 + ".png", "timm/" + "b" * 60, image(*size), shown, tokens=197)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    clashes = [
        (first, second)
        for first, one in enumerate(boxes)
        for second, two in enumerate(boxes[:first])
        if one.x0 < two.x1 and two.x0 < one.x1 and one.y0 < two.y1 and two.y0 < one.y1
    ]
    assert clashes == []
    pixels = drawn(figure, tmp_path / "a.png")
    assert pixels.shape[:2] == (round(height), round(width))
    for box in boxes:  # there is ink in all of them
        assert pixels[round(height - box.y1) : round(height - box.y0), round(box.x0) : round(box.x1)].min() < 100


def test_a_panel_is_drawn_pixel_by_pixel(tmp_path: Path) -> None:
    shown = views(1, 2, ("cls",))
    source = image(160, 160)
    pixels = drawn(draw("a", "b", source, shown.grid("layers-heads"), tokens=17, scale="own"), tmp_path / "a.png")
    head, left = 160 + 50, 88 + 160 + 8
    values = shown.maps[0, 1, 0]
    expected = overlay((source / 255).astype(np.float32), values, values.max())
    found = pixels[head : head + 160, left : left + 160].astype(float)
    assert np.abs(found - 255 * expected).max() <= 1


@pytest.mark.parametrize(("scale", "ends"), [("own", (0.2, 0.1)), ("shared", (0.2, 0.2)), ("uniform", (0.5, 0.5))])
def test_colours_end_where_the_scale_says(scale: Scale, ends: tuple[float, float], tmp_path: Path) -> None:
    shown = views(1, 2, ("cls",), (1, 1)).grid("layers-heads")
    shown.maps[0, :, 0, 0] = 0.2, 0.1
    pixels = drawn(draw("a", "b", np.zeros_like(image()), shown, tokens=10, scale=scale), tmp_path / "a.png")
    for place, (value, end) in enumerate(zip((0.2, 0.1), ends, strict=True)):
        heat = 0.9 * np.array(mpl.colormaps["inferno"](value / end)[:3])
        assert np.abs(pixels[160 + 50 + 80, 88 + 168 * place + 80] - 255 * heat).max() <= 1


def test_our_own_figures_are_recognised(tmp_path: Path) -> None:
    drawn(draw("a", "b", image(), views(1, 1, ("cls",)).grid("layers-heads"), tokens=17), tmp_path / "ours.png")
    Image.fromarray(image()).save(tmp_path / "photo.png")
    (tmp_path / "text.png").write_text("no image")
    assert [is_our_figure(tmp_path / f"{name}.png") for name in ("ours", "photo", "text", "nowhere")] == [
        True, False, False, False,
    ]  # fmt: skip


def test_the_users_matplotlib_settings_are_ignored(tmp_path: Path) -> None:
    grid = views(1, 1, ("left",)).grid("layers-heads")
    before = drawn(draw("a", "b", image(), grid, tokens=17), tmp_path / "a.png")
    with mpl.rc_context({"font.size": 30, "figure.facecolor": "red", "savefig.bbox": "tight"}):
        after = drawn(draw("a", "b", image(), grid, tokens=17), tmp_path / "b.png")
    assert np.array_equal(before, after)
