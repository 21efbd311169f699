"""Tests of the page in a real browser, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.api import StoredMap
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.explorer import build as explorer
from teachmatters.reports.options import Options
from teachmatters.reports.page.build import PageText, build
from tests.reports.explorer import toy_explorer
from tests.reports.stores import MAP, model, record
from tests.reports.test_page import EVIL, fill

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian's package 'chromium')")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    target = folder / "report.html"
    path = fill(folder / "r.db", "dino-s16", "dino-b16", EVIL)
    array = np.eye(5, dtype=np.float32)[None].repeat(2, axis=0)
    aligned = StoredMap(name="attn-map-aligned", layer=1, axes=("head", "y", "x"), array=array)
    spec = replace(MAP, name=aligned.name)
    record(path, model("dino-s16", depth=2), spec, [], analysis="attention", maps=[aligned])
    text = PageText(explorer=explorer.build([toy_explorer.model("toy", (2, 3))], toy_explorer.IMAGES))
    target.write_text(build(path, REPORTS, Options(), lambda: None, text), "utf-8")
    return target


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Visit:
    """A page that was opened, what it asked for and what it complained about."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.context = browser.new_context(offline=True, **context)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#knn .chart")


@pytest.fixture
def visit(browser: Any, file: Path) -> Iterator[Visit]:
    opened = Visit(browser, file, viewport={"width": 1280, "height": 800})
    yield opened
    opened.context.close()


def test_it_draws_without_network_requests(visit: Visit, file: Path) -> None:
    assert visit.page.locator("#knn .series .line").count() == 3
    assert visit.page.locator("#cka .chart .cell").count() == 4
    assert visit.page.locator("#best-layers .chart .dot").count() == 3
    assert [url for url in visit.requests if not url.startswith("data:")] == [file.as_uri()]
    assert visit.complaints == []


def test_maps_are_drawn_patch_by_patch(visit: Visit) -> None:
    assert visit.page.locator("#aligned-maps .strip canvas").count() == 2
    read = "(x) => [...document.querySelector('#aligned-maps canvas').getContext('2d').getImageData(x, 4, 1, 1).data]"
    assert visit.page.evaluate(read, 4) == [252, 255, 164, 255], "the largest value"
    assert visit.page.evaluate(read, 12) == [0, 0, 4, 255], "no attention"


def test_an_explorer_is_drawn_when_it_comes_into_view(visit: Visit, file: Path) -> None:
    assert visit.page.locator(".explorer iframe").count() == 0
    visit.page.locator("#explorer").scroll_into_view_if_needed()
    visit.page.wait_for_selector(".explorer iframe")
    inside = visit.page.frame_locator(".explorer iframe")
    inside.locator("html[data-ready]").wait_for()
    assert inside.locator(".tile").count() > 6
    assert {url for url in visit.requests if not url.startswith("data:")} <= {file.as_uri(), "about:srcdoc"}
    assert visit.complaints == []


def test_a_name_stays_text(visit: Visit) -> None:
    assert visit.page.title() == "teachmatters: r.db"
    assert visit.page.locator("#best-layers .sortable td", has_text=EVIL).count() == 1
    assert visit.page.locator("#knn .legend").inner_text().count("<script>") == 1


def column(visit: Visit, of: int) -> list[str]:
    texts: list[str] = visit.page.locator(
        f"#best-layers .sortable tbody tr:first-child td:nth-child({of})"
    ).all_inner_texts()
    return texts


def test_tables_sort_by_mouse_and_by_keyboard(visit: Visit) -> None:
    heads = visit.page.locator("#best-layers .sortable th")
    names = column(visit, 2)
    heads.nth(1).locator("button").click()
    assert column(visit, 2) == sorted(names, key=str.lower, reverse=True)
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    heads.nth(1).locator("button").press("Enter")
    assert column(visit, 2) == sorted(names, key=str.lower)
    assert [heads.nth(place).get_attribute("aria-sort") for place in (0, 1)] == ["none", "ascending"]


def test_numbers_sort_as_numbers(visit: Visit) -> None:
    button = visit.page.locator("#summary .sortable th button").nth(1)
    button.click()
    scores = [
        float(text.split(" ")[0])
        for text in visit.page.locator("#summary .sortable tbody td:nth-child(2)").all_inner_texts()
    ]
    assert scores == sorted(scores, reverse=True)


def test_a_point_has_a_tooltip(visit: Visit) -> None:
    chart = visit.page.locator("#knn .chart").first
    chart.scroll_into_view_if_needed()
    point = chart.locator(".dot").first.bounding_box()
    visit.page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    assert "layer 1: " in visit.page.locator(".tip").inner_text()
    assert chart.locator(".series.faint").count() == 2, "its line stands out"


def test_lines_are_where_the_numbers_are(visit: Visit) -> None:
    """Heights on the chart are a straight function of the values, and of the labels of the axis."""
    chart = visit.page.locator("#knn .chart").first
    places = [float(dot.get_attribute("cy")) for dot in chart.locator(".dot").all()]
    texts = visit.page.evaluate("[...document.querySelectorAll('#knn .chart')][0].querySelectorAll('.end').length")
    axis = [
        (float(label.inner_html()), float(label.get_attribute("y")) - 4) for label in chart.locator("text.end").all()
    ]
    assert texts == len(axis) > 2
    slope, start = np.polyfit([value for value, _ in axis], [place for _, place in axis], 1)
    values = [10.0, 20.0, 11.0, 20.0, 12.0, 20.0]
    assert sorted(places) == pytest.approx(sorted(start + slope * value for value in values), abs=0.01)


def test_another_pair_can_be_chosen(visit: Visit) -> None:
    picker = visit.page.locator("#cka select")
    assert picker.locator("option").count() == 9
    picker.select_option("0")
    first = picker.locator("option").first.inner_text()
    assert f"{first.split(' and ')[1]}, layer" in (visit.page.locator("#cka .chart").text_content() or "")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_follows_the_readers_colour_scheme(
    browser: Any, file: Path, width: int, height: int, scheme: str
) -> None:
    opened = Visit(browser, file, viewport={"width": width, "height": height}, color_scheme=scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    font = opened.page.evaluate("getComputedStyle(document.querySelector('#knn .chart .head')).fill")
    assert (font == "rgb(27, 31, 36)") == (scheme == "light")
    opened.context.close()
