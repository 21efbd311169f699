from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.figures import plots
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, TOP1, heads, model, record, rising, values

METRIC, DISTANCES, BEST = OF_ANY = [
    next(spec for spec in REPORTS if spec.name == name) for name in ("metric", "attention-distance", "best-layers")
]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven models of two depths, one with a very long name."""
    path = tmp_path_factory.mktemp("deep") / "r.db"
    for label, depth in (("dino-b16", 12), ("mae-l16", 24), ("hf/" + "x" * 90, 12), *((f"m{n}", 12) for n in range(4))):
        record(path, model(label, depth=depth), DISTANCE, heads(DISTANCE, [0.1 + v for v in rising(depth)], count=3))
        record(path, model(label, depth=depth), TOP1, values(TOP1, [100 * v for v in rising(depth)], 1.0))
    return path


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".PNG"])
def test_every_format_and_the_same_bytes_again(store: Path, tmp_path: Path, suffix: str) -> None:
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    for path in (one, two):
        plots.save(run_report(METRIC, store, Options()).figure(), path)
    assert one.read_bytes()[:4] in (b"\x89PNG", b"%PDF", b"<?xm")
    assert one.read_bytes() == two.read_bytes()


def test_the_users_matplotlib_settings_are_not_changed(store: Path, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    plots.save(run_report(DISTANCES, store, Options()).figure(), tmp_path / "a.png")
    assert dict(mpl.rcParams) == before


def test_the_users_matplotlib_settings_do_not_affect_a_figure(store: Path, tmp_path: Path) -> None:
    plots.save(run_report(METRIC, store, Options()).figure(), tmp_path / "a.svg")
    with mpl.rc_context({"axes.labelsize": 30, "savefig.transparent": True, "xtick.direction": "in"}):
        plots.save(run_report(METRIC, store, Options()).figure(), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_pyplot_is_not_needed(store: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from teachmatters.reports.run import run_report
from teachmatters.reports.options import Options
from teachmatters.reports.builtin.specs import REPORTS
for spec in REPORTS:
    if spec.name in {[spec.name for spec in OF_ANY]}:
        run_report(spec, Path({str(store)!r}), Options()).figure()
print(sorted({{"torch", "matplotlib.pyplot"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_nothing_is_cut_off(deep: Path) -> None:
    for spec in (METRIC, DISTANCES, BEST):
        figure = run_report(spec, deep, Options()).figure()
        with plots.look():
            figure.draw_without_rendering()
            box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 > -0.05
        assert box.y0 > -0.05
        assert box.x1 < width + 0.05
        assert box.y1 < height + 0.05


def test_depths_that_differ_share_a_relative_axis(deep: Path) -> None:
    axes = run_report(METRIC, deep, Options(metrics=("knn-top1",))).figure().axes
    assert axes[0].get_xlabel() == "Relative depth"
    assert {float(np.asarray(line.get_xdata())[-1]) for line in axes[0].lines} == {1.0}
    alone = run_report(METRIC, deep, Options(metrics=("knn-top1",), models=("mae-l16",))).figure().axes[0]
    assert alone.get_xlabel() == "Layer"
    assert np.asarray(alone.lines[0].get_xdata())[-1] == 24


def test_a_shade_is_the_interval_of_the_mean(deep: Path) -> None:
    options = Options(metrics=("knn-top1",), models=("mae-l16", "dino-b16"))
    ax = run_report(METRIC, deep, options).figure().axes[0]
    assert len(ax.collections) == 2
    half = 1.96 * 1.0 / np.sqrt(8)
    for line, shade in zip(ax.lines, ax.collections, strict=True):
        y = np.asarray(line.get_ydata(), dtype=float)
        ends = np.asarray(shade.get_paths()[0].vertices)[:, 1]
        assert ends.min() == pytest.approx(y.min() - half)
        assert ends.max() == pytest.approx(y.max() + half)
    texts = [text.get_text() for text in run_report(METRIC, deep, options).figure().legends[0].get_texts()]
    assert texts == [
        "DINO B/16 (self-distillation)",
        "MAE L/16 (masked reconstruction)",
        "95 % interval: mean ± 1.96 standard errors",
    ]


def test_a_figure_names_its_data_and_setting(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("a"), DISTANCE, heads(DISTANCE, [0.5, 0.6]), setting="limit=2")
    title = run_report(DISTANCES, tmp_path / "r.db", Options()).figure().get_suptitle()
    assert title == "Data: photos   Setting: limit=2"


def test_distance_panels_share_their_axes_and_hold_heads_and_mean(deep: Path) -> None:
    axes = run_report(DISTANCES, deep, Options(models=("dino-b16", "mae-l16"))).figure().axes
    assert len({ax.get_ylim() for ax in axes}) == len({ax.get_xlim() for ax in axes}) == 1
    low, high = axes[0].get_ylim()
    assert 0 < low < 0.11, "from the data"
    assert 0.75 < high < 0.85
    assert [len(np.asarray(ax.collections[0].get_offsets())) for ax in axes] == [3 * 12, 3 * 24]
    assert [len(np.asarray(ax.lines[0].get_xdata())) for ax in axes] == [12, 24]


def test_a_line_at_zero_has_an_axis(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("a"), TOP1, values(TOP1, [0.0, 0.0]))
    assert run_report(METRIC, tmp_path / "r.db", Options()).figure().axes[0].get_ylim() == (-5.0, 100.0)


def test_one_layer_of_one_model(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("random-s16", depth=1), DISTANCE, heads(DISTANCE, [0.5]))
    for spec in (METRIC, DISTANCES):
        axes = run_report(spec, tmp_path / "r.db", Options()).figure().axes
        assert axes[0].get_xticks().tolist() == [1]


def test_a_figure_that_cannot_be_written(store: Path, tmp_path: Path) -> None:
    figure = run_report(METRIC, store, Options()).figure()
    with pytest.raises(TeachMattersError, match=r"cannot write .*No such file"):
        plots.save(figure, tmp_path / "none" / "a.png")


def test_a_failed_figure_keeps_the_old_file(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = run_report(METRIC, store, Options()).figure()
    plots.save(figure, tmp_path / "a.svg")
    before = (tmp_path / "a.svg").read_bytes()

    def broken(path: Path, **_: object) -> None:
        path.write_bytes(b"<svg half")
        raise KeyboardInterrupt

    monkeypatch.setattr(figure, "savefig", broken)
    with pytest.raises(KeyboardInterrupt):
        plots.save(figure, tmp_path / "a.svg")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.svg", before)]


def test_letters_missing_from_the_font_are_reported_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    figure, (ax,) = plots.panels(1)
    ax.set_title("模型 and 模型")
    plots.save(figure, tmp_path / "a.png")
    assert caplog.messages == ["a.png: the font lacks 模, 型, which are drawn as boxes"]
    assert (tmp_path / "a.png").exists()
