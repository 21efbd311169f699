"""Tests of the explorer in a real browser, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from teachmatters.measures.attention.quantised import dequantise
from teachmatters.reports.explorer.build import build
from tests.reports.explorer.toy_explorer import IMAGES, model
from tests.reports.test_page_browser import CHROMIUM, FLAGS

MODELS = [model("a", (4, 4), registers=1), model("b", (3, 5), class_token=False, layers=5, heads=3)]

PIXELS = """
tile => {
  const copy = new OffscreenCanvas(tile.width, tile.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(tile, 0, 0);
  return [tile.height, tile.width, ...copy.getImageData(0, 0, tile.width, tile.height).data];
}
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian's package 'chromium')")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("explorer") / "explorer.html"
    target.write_text(build(MODELS, IMAGES), "utf-8")
    return target


class Visit:
    """A page with its requests and its complaints."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.file = file
        self.page = browser.new_context(offline=True, viewport={"width": 1280, "height": 800}).new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self) -> None:
        self.page.goto(self.file.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def wait_for(self, expression: str, arg: object = None) -> None:
        """Wait until an expression is true, asking from outside: the page's policy forbids it to evaluate a string."""
        for _ in range(400):
            if self.page.evaluate(expression, arg):
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"never true: {expression}")

    def text(self, selector: str, nth: int = 0) -> str:
        self.page.evaluate("drawing")
        found: str = self.page.locator(selector).nth(nth).inner_text()
        return found

    def colours(self, label: str, panel: int = 0) -> np.ndarray:
        """The pixels of a small map, (h, w, 3)."""
        self.page.evaluate("drawing")
        tile = self.page.locator(".panel").nth(panel).get_by_label(label, exact=True)
        rows, columns, *pixels = tile.evaluate(PIXELS)
        return np.array(pixels).reshape(rows, columns, 4)[..., :3]

    def click_image(self, x: float, y: float) -> None:
        box = self.page.locator("#image").bounding_box()
        self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        self.page.mouse.move(1, 1)


@pytest.fixture(scope="module")
def only(browser: Any, file: Path) -> Visit:
    return Visit(browser, file)


@pytest.fixture
def visit(only: Visit) -> Iterator[Visit]:
    only.open()
    yield only
    assert only.complaints == []
    assert {url for url in only.requests if not url.startswith("data:")} == {only.file.as_uri()}


def expected(m: int, layer: int, head: int, patch: int, image: int = 0) -> np.ndarray:
    """The colours of a map on the scale of uniform attention."""
    import matplotlib as mpl

    one = MODELS[m]
    part = one.images[image]
    attention = dequantise(torch.from_numpy(part.steps), torch.from_numpy(part.largest)).numpy()
    prefix = int(one.class_token) + one.registers
    row = attention[layer, head, prefix + patch, prefix:]
    places = np.floor((row * attention.shape[-1] / 5).clip(0, 1) * 255 + 0.5).astype(int)
    table = mpl.colormaps["inferno"](np.arange(256), bytes=True)[:, :3].astype(int)
    colours: np.ndarray = table[places].reshape(*one.grid, 3)
    return colours


def close(found: np.ndarray, truth: np.ndarray) -> bool:
    """Whether colours agree, up to a neighbouring step of the table."""
    return found.shape == truth.shape and bool(np.abs(found - truth).max() <= 8)


def test_a_click_shows_where_that_patch_attends_in_both_models(visit: Visit) -> None:
    visit.click_image(0.3, 0.9)  # of 4 x 4: row 4, column 2; of 3 x 5: row 3, column 2
    assert visit.text("#query") == "Patch 4:2"
    for layer in range(3):
        for head in range(2):
            assert close(visit.colours(f"layer {layer + 1}, head {head + 1}"), expected(0, layer, head, 13))
    assert close(visit.colours("layer 5, head 3", panel=1), expected(1, 4, 2, 11))
    visit.page.locator("#thumbnails button").nth(1).click()
    visit.wait_for("panels[0].view.i === 1")
    assert close(visit.colours("layer 2, head 1"), expected(0, 1, 0, 13, image=1))


def test_hovering_shows_a_patch_and_leaving_restores_the_view(visit: Visit) -> None:
    visit.page.locator("#image").hover(position={"x": 3, "y": 3})
    assert visit.text("#query") == "Patch 1:1"
    assert close(visit.colours("layer 1, head 2"), expected(0, 0, 1, 0))
    visit.page.mouse.move(1, 1)
    assert visit.text("#query") == "Patch 3:3"


@pytest.mark.parametrize("image", [0, 1])
def test_thumbnails_name_the_most_similar_patch(visit: Visit, image: int) -> None:
    visit.page.locator("#thumbnails button").nth(image).click()
    visit.wait_for(f"panels[0].view.i === {image}")
    visit.click_image(0.3, 0.9)
    both = MODELS[0].similarity[0, 1][2]
    best = (both[13] if image == 0 else both[:, 13]).max()
    # JavaScript rounds halves up, and steps of 1/255 of about 2 move a value by up to 0.004.
    titles = [f"{IMAGES[1 - image]}: {best + shift:.2f}" for shift in (-0.005, 0, 0.005)]
    shown = f"document.querySelectorAll('#thumbnails button')[{1 - image}].title"
    visit.wait_for(f"titles => titles.includes({shown})", arg=titles)


def test_dragging_keeps_the_last_patch(visit: Visit) -> None:
    visit.page.locator("#image").hover(position={"x": 3, "y": 3})
    visit.page.mouse.down()
    visit.page.locator("#image").hover(position={"x": 3, "y": 140})
    visit.page.mouse.up()
    visit.page.mouse.move(1, 1)
    assert visit.text("#query") == "Patch 2:1"


def test_pointing_at_a_small_map_enlarges_it(visit: Visit) -> None:
    visit.page.get_by_label("layer 2, head 1", exact=True).first.hover()
    assert visit.text(".large figcaption b") == "Layer 2, head 1"
    assert visit.text(".large figcaption b", 1) == "Layer 5, mean over heads"
    visit.page.mouse.move(1, 1)
    assert visit.text(".large figcaption b") == "Layer 3, mean over heads"


def test_keys_move_layer_head_and_patch(visit: Visit) -> None:
    assert visit.text(".large figcaption b") == "Layer 3, mean over heads"
    for key, words in [
        ("ArrowUp", "Layer 2, mean over heads"),
        ("ArrowRight", "Layer 2, head 1"),
        ("ArrowRight", "Layer 2, head 2"),
        ("ArrowDown", "Layer 3, head 2"),
        ("m", "Layer 3, mean over heads"),
        ("m", "Layer 3, head 2"),
    ]:
        visit.page.keyboard.press(key)
        assert visit.text(".large figcaption b") == words
    assert visit.text(".large figcaption b", 1) == "Layer 5, head 2"  # of five layers
    visit.page.keyboard.press("Shift+ArrowLeft")
    assert visit.text("#query") == "Patch 3:2"


def test_tokens_that_a_model_lacks_cannot_be_chosen(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Class token").click()
    assert visit.text("#query") == "Class token"
    assert visit.text(".large figcaption b", 1) == "b has no such token"
    visit.page.get_by_role("button", name="Register 1").click()
    assert visit.text("#query") == "Register 1"
    visit.page.get_by_role("button", name="Mean over all patches").click()
    assert visit.text(".large figcaption b", 1).startswith("Layer 5")


def test_numbers_of_a_map(visit: Visit) -> None:
    one = MODELS[0].images[0]
    row = dequantise(torch.from_numpy(one.steps), torch.from_numpy(one.largest))[2, 1, 2 + 10].numpy()
    visit.page.get_by_label("layer 3, head 2", exact=True).first.click()
    words = visit.text(".large figcaption")
    place = int(row[2:].argmax())
    best = f"{row[2:].max():#.2g} at {place // 4 + 1}:{place % 4 + 1}, {row[2:].max() * 18:.1f} × uniform"
    assert f"Maximum: {best}" in words
    x, y = np.arange(16) % 4 - 2, np.arange(16) // 4 - 2
    right = float((row[2:] * x).sum() / row[2:].sum())
    distance = float((row[2:] * np.hypot(x, y)).sum() / row[2:].sum())
    assert f"Offset {abs(right):.1f} {'left' if right < 0 else 'right'}" in words
    assert f"distance {distance:.1f} patches" in words


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_fits_and_follows_the_readers_colour_scheme(visit: Visit, width: int, scheme: str) -> None:
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.page.emulate_media(color_scheme=scheme)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
