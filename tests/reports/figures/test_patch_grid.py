from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

from teachmatters.reports.figures import plots
from teachmatters.reports.figures.panel_sheet import MATCH, QUERY
from teachmatters.reports.figures.patch_grid import draw_components, draw_similarity

LEFT, STEP = 88, 160 + 8  # to the first panel, and from one to the next
IMAGES = [("cat", np.zeros((32, 32, 3), np.uint8)), ("dog", np.full((32, 32, 3), 255, np.uint8))]


def test_a_patch_of_the_components_is_a_square_of_its_colour(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).random((2, 3, 4, 4, 3), dtype=np.float32)
    figure = draw_components("m", IMAGES, (1, 2, 12), colours, "about")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"cat", "dog", "image", "layer 12", "about", "m"} <= set(texts)
    plots.save(figure, tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    top = 160 + 22 + pixels.shape[0] - 2 * (160 + 22) - 8  # of the second row
    for row, column in ((0, 0), (3, 1)):
        found = pixels[top + 40 * row + 20, LEFT + 3 * STEP + 40 * column + 20]
        assert np.abs(found - 255 * colours[1, 2, row, column]).max() <= 1


def test_the_patch_and_the_most_similar_patches_are_framed() -> None:
    maps = np.random.default_rng(1).uniform(-1, 1, (2, 2, 4, 4)).astype(np.float32)
    figure = draw_similarity("m", IMAGES, (1, 2), maps, (1, 2))
    frames = [
        (frame.get_x() - LEFT, frame.get_edgecolor())  # type: ignore[attr-defined]
        for frame in figure.axes[0].patches[1::2]  # each is drawn dark and bright
    ]
    query, match = (mpl.colors.to_rgba(colour) for colour in (QUERY, MATCH))
    columns = [int(maps[1, layer].argmax()) % 4 for layer in (0, 1)]
    expected = [(STEP * k + 2 * 40, query) for k in range(3)]
    expected += [(STEP * (layer + 1) + 40 * column, match) for layer, column in enumerate(columns)]
    assert frames == expected
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert f"{maps[1, 1].max():.2f}" in texts
    assert f"{maps.min():.2f} to {maps.max():.2f}" in texts
