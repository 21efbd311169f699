from __future__ import annotations

import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from teachmatters.api import Record, ReportSpec
from teachmatters.errors import NothingToShowError, TeachMattersError, UnknownNameError
from teachmatters.reports.builtin.specs import REPORTS, register_reports
from teachmatters.reports.figures import squares
from teachmatters.reports.figures.layer_lines import BAND
from teachmatters.reports.options import Options
from teachmatters.reports.run import Report, run_report
from teachmatters.store import query
from tests.reports.stores import CKA, DISTANCE, MAP, NEAREST, PCK, PURITY, TOP1, TYPES, heads, model, record, values

SPECS = {spec.name: spec for spec in REPORTS}
# The reports that the fixture ``store`` has numbers for; the other reports are tested on other stores.
OF_ANY = ("metric", "attention-distance", "best-layers")


def run(name: str, path: Path, **options: object) -> Report:
    return run_report(SPECS[name], path, Options(**options))  # type: ignore[arg-type]


def test_the_hook_returns_all_reports() -> None:
    assert register_reports() == list(REPORTS)


@pytest.mark.parametrize("name", OF_ANY)
def test_every_report_runs_and_draws_without_options(name: str, store: Path) -> None:
    report = run(name, store)
    assert len(report.rows) == len(report.data.rows) > 0
    assert len(report.table) > 0
    assert report.figure().axes


@pytest.mark.parametrize("name", OF_ANY)
def test_the_sql_shown_is_the_sql_run(name: str, store: Path) -> None:
    report = run(name, store, layers=(1, 2, 12), models=("dino*",))
    shown = query(store, report.sql)
    assert shown.rows == [row[: len(shown.columns)] for row in report.data.rows]
    assert sqlite3.connect(store).execute(report.sql).fetchall() == shown.rows


def test_options_restrict(store: Path) -> None:
    rows = run("metric", store, metrics=("attn-distance",), models=("mae",), layers=(3, 5), heads=(2,)).rows
    assert set(rows["model"]) == {"mae-b16"}
    assert sorted(rows["layer"].unique()) == [3, 5]
    assert rows["head"].dropna().unique().tolist() == [2]
    assert rows["head"].isna().sum() == 2, "the headline stays beside the heads"
    assert set(run("metric", store, metrics=("purity-cls",), data=("imagenet*",)).rows["dataset"]) == {"imagenet50"}


def test_only_layer_values_unless_heads_are_requested(store: Path) -> None:
    assert run("metric", store, metrics=("attn-distance",)).rows["head"].isna().all()
    assert run("metric", store, metrics=("knn-top1",)).rows["category"].isna().all()
    assert run("attention-distance", store).rows["head"].nunique() == 6
    assert run("attention-distance", store, heads=(1, 2)).rows["head"].nunique() == 2
    assert run("attention-distance", store).table.columns[0] == "layer"
    assert run("attention-distance", store, heads=(2,), layers=(3,)).table["head"].tolist() == ["", "2"]


def test_a_metric_without_layer_values_shows_its_heads(tmp_path: Path) -> None:
    rows = [Record(metric=TYPES.name, layer=1, head=head, category="grid", value=0.5) for head in (1, 2)]
    record(tmp_path / "r.db", model(), TYPES, rows)
    assert run("metric", tmp_path / "r.db").rows["head"].tolist() == [1, 2]
    assert run("metric", tmp_path / "r.db", heads=(2,)).rows["head"].tolist() == [2]


@pytest.mark.parametrize(
    "label", ["o'brien", "<script>alert(1)</script>", "two\nlines", "a$b$", "_x", "50% & {co}", "[b]"]
)
def test_special_characters_in_labels_are_only_text(tmp_path: Path, label: str) -> None:
    path = tmp_path / "r.db"
    record(path, model(label, family="dino"), DISTANCE, heads(DISTANCE, [0.1, 0.2]))
    for name in ("metric", "attention-distance"):
        report = run(name, path, models=(label,))
        assert set(report.rows["model"]) == {label}
        assert query(path, report.sql).rows == report.data.rows
        report.figure().draw_without_rendering()


def test_names_outside_utf8_are_found(tmp_path: Path) -> None:
    path, odd = tmp_path / "r.db", "caf\udce9"
    record(path, model(odd, family="dino"), TOP1, values(TOP1, [1.0]), data=odd, setting=odd)
    report = run("metric", path, models=(odd,), data=(odd,), setting=odd)
    assert report.table.columns[-1] == r"caf\udce9"
    assert report.caption[-1] == r"Setting: caf\udce9"
    with pytest.raises(UnknownNameError, match="unknown model"):
        run("metric", path, models=("\udcea",))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model measured with and without a limit, another only with limits."""
    path = tmp_path_factory.mktemp("settings") / "r.db"
    full, trial = model("dino-s16"), model("mae-b16")
    record(path, full, TOP1, values(TOP1, [10.0]))
    record(path, full, TOP1, values(TOP1, [11.0]), setting="limit=2")
    record(path, trial, TOP1, values(TOP1, [22.0]), setting="limit=2")
    record(path, trial, TOP1, values(TOP1, [23.0]), setting="limit=3")
    return path


class TestSettings:
    """The empty setting, or the one asked for; else the newest, and the caption says so."""

    def shown(self, report: Report) -> dict[str, float]:
        return dict(zip(report.rows["model"], report.rows["value"], strict=True))

    @pytest.mark.parametrize("name", ["metric", "best-layers", "attention-distance"])
    def test_the_empty_one_else_the_newest(self, settings: Path, name: str) -> None:
        report = run(name, settings, metrics=("knn-top1",))
        assert self.shown(report) == {"dino-s16": 10.0, "mae-b16": 23.0}
        assert "Setting limit=3: mae-b16 photos" in report.caption

    def test_the_one_asked_for(self, settings: Path) -> None:
        report = run("metric", settings, setting="limit=2")
        assert self.shown(report) == {"dino-s16": 11.0, "mae-b16": 22.0}
        assert "Setting: limit=2" in report.caption

    def test_the_one_asked_for_where_there_is_one(self, settings: Path) -> None:
        report = run("metric", settings, setting="limit=3")
        assert self.shown(report) == {"dino-s16": 11.0, "mae-b16": 23.0}
        assert "Setting limit=2: dino-s16 photos" in report.caption

    def test_metrics_are_not_counted_up_where_all_have_the_same(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        for metric in (DISTANCE, TOP1):
            record(path, model("dino-s16"), metric, values(metric, [10.0]), setting="limit=2")
            record(path, model("mae-b16"), metric, values(metric, [10.0]))
        report = run("metric", path, metrics=("attn-distance", "knn-top1"))
        assert "Setting limit=2: dino-s16 photos" in report.caption
        record(path, model("mae-b16"), PURITY, values(PURITY, [0.5]), setting="limit=2")
        report = run("metric", path, metrics=("attn-distance", "purity-cls"))
        assert "Setting limit=2: dino-s16 attn-distance photos, mae-b16 purity-cls photos" in report.caption

    def test_a_trial_is_told_apart_in_the_headings(self, settings: Path) -> None:
        assert list(run("metric", settings).table.columns) == ["layer", "dino-s16", "mae-b16 [limit=3]"]
        assert list(run("metric", settings, setting="limit=2").table.columns) == ["layer", "dino-s16", "mae-b16"]
        best = run("best-layers", settings)
        assert list(best.table.columns) == ["supervision", "model", "knn-top1", "knn-top1 [limit=3]"]
        assert best.table.iloc[:, 2:].to_numpy().tolist() == [["10.0 (1)", ""], ["", "23.0 (1)"]]
        assert [ax.get_title() for ax in best.figure().axes] == [
            "k-NN top-1, percent", "k-NN top-1, percent [limit=3]",
        ]  # fmt: skip

    def test_a_pattern_shows_several_settings_apart(self, settings: Path) -> None:
        report = run("metric", settings, setting="limit=*")
        apart = ["dino-s16 [limit=2]", "mae-b16 [limit=2]", "mae-b16 [limit=3]"]
        assert list(report.table.columns) == ["layer", *apart]
        assert "Settings: limit=2; limit=3" in report.caption
        figure = report.figure()
        assert len(figure.axes[0].lines) == 3
        assert len({text.get_text() for text in figure.legends[0].get_texts()} - {BAND}) == 3
        with pytest.raises(TeachMattersError, match=r"'limit=\*' matches 'limit=2', 'limit=3', but this report shows"):
            run("best-layers", settings, setting="limit=*")

    def test_settings_that_are_not_shown_are_named(self, settings: Path) -> None:
        (line,) = [line for line in run("metric", settings).caption if line.startswith("Not shown")]
        assert line == "Not shown: numbers of 'limit=2'; choose with --setting"
        assert not [line for line in run("metric", settings, setting="limit=*").caption if "limit=2'" in line]

    def test_a_trial_is_in_no_ranking_of_full_runs(self, settings: Path) -> None:
        places = run("summary", settings).rows
        assert list(zip(places["model"], places["place"], places["models"], strict=True)) == [
            ("dino-s16", 1, 1), ("mae-b16", 1, 1),
        ]  # fmt: skip

    def test_the_settings_of_pairs_name_both_models(self, tmp_path: Path) -> None:
        one = [Record(metric="cka", layer=1, other_layer=1, value=0.5)]
        record(tmp_path / "r.db", model("a"), CKA, one, other=model("b"))
        record(tmp_path / "r.db", model("a"), CKA, one, other=model("c"), setting="limit=2")
        assert "Setting limit=2: a c cka photos, c a cka photos" in run("cka", tmp_path / "r.db").caption

    def test_nothing_is_said_of_the_defaults(self, settings: Path) -> None:
        assert not [line for line in run("metric", settings, models=("dino*",)).caption if "Setting" in line]


def test_missing_layers_and_heads_are_errors(store: Path) -> None:
    """To measure again would not bring them about."""
    with pytest.raises(NothingToShowError, match=r"layers 99; there are layers 1 to 12, heads 1 to 6\.$"):
        run("attention-distance", store, layers=(99,))


def test_missing_heads_are_an_error(store: Path) -> None:
    with pytest.raises(NothingToShowError, match=r"has no heads 7, 99 of attn-distance; there are heads 1 to 6\.$"):
        run("attention-distance", store, heads=(7, 99))
    assert len(run("attention-distance", store, heads=(6, 7)).rows["head"].dropna().unique()) == 1
    with pytest.raises(NothingToShowError, match=r"no heads 1 of knn-top1; they have no numbers for single heads"):
        run("metric", store, metrics=("knn-top1",), heads=(1,))


@pytest.mark.parametrize("models", [(), ("dino-s16",)])
def test_a_metric_of_another_report_is_refused(store: Path, models: tuple[str, ...]) -> None:
    """To measure it again would not bring it about."""
    said = "report 'cka' cannot show knn-top1; 'tm report metric --metric knn-top1' can"
    with pytest.raises(NothingToShowError, match=said):
        run("cka", store, metrics=("knn-top1",), models=models)


def test_the_caption_names_data_splits_and_missing_models(store: Path, tmp_path: Path) -> None:
    assert run("metric", store, metrics=("purity-cls",)).caption == [
        "Metric: purity-cls (Purity)", "Data: imagenet50, photos", "Without these numbers: mae-b16",
    ]  # fmt: skip
    record(tmp_path / "r.db", model(), TOP1, values(TOP1, [1.0]), data="imagenet")
    assert "Data: imagenet (val)" in run("metric", tmp_path / "r.db").caption


def test_many_metrics_are_counted_in_the_caption(tmp_path: Path) -> None:
    for metric in (DISTANCE, TOP1, PURITY, NEAREST, replace(TOP1, name="map-hard")):
        record(tmp_path / "r.db", model(), metric, values(metric, [1.0]), analysis="toy", data="imagenet")
    record(tmp_path / "r.db", model(), PURITY, values(PURITY, [1.0]), analysis="toy", data="digits")
    names = ("map-hard", "toy")
    assert run("metric", tmp_path / "r.db", metrics=names).caption[:2] == [
        "5 metrics, 'tm metrics NAME' explains one; in percent: map-hard, knn-top1", "Data: digits, imagenet (val)",
    ]  # fmt: skip
    few = run("metric", tmp_path / "r.db", metrics=("purity-cls", "knn-top1"))
    assert few.caption[0] == "Metric: purity-cls (Purity); knn-top1 (k-NN top-1, percent)", "as asked for"


def test_without_a_metric_the_newest_is_shown_and_the_others_are_named(store: Path) -> None:
    report = run("metric", store)
    assert set(report.rows["metric"]) == {"purity-cls"}
    assert "--metric shows others: attn-distance, knn-top1" in report.caption[-1]


def test_without_a_metric_the_newest_with_numbers_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    record(path, model("a"), DISTANCE, heads(DISTANCE, [0.1, 0.2]))
    record(path, model("b"), MAP, [])
    record(path, model("b"), TOP1, [])
    report = run("metric", path)
    assert set(report.rows["metric"]) == {"attn-distance"}
    assert not [line for line in report.caption if "--metric" in line], "nothing else has a number"
    record(path, model("c"), TOP1, values(TOP1, [1.0]))
    assert set(run("metric", path).rows["metric"]) == {"knn-top1"}


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An analysis with two metrics, one of its own name."""
    path = tmp_path_factory.mktemp("alike") / "r.db"
    for metric in (CKA, NEAREST):
        pairs = [Record(metric=metric.name, layer=i, other_layer=j, value=i / j) for i in (1, 2) for j in (1, 2)]
        record(path, model("a", depth=2), metric, pairs, other=model("a", depth=2), analysis="cka")
    return path


def test_a_metric_named_like_its_analysis_alone(alike: Path) -> None:
    report = run("metric", alike, metrics=("cka:cka",))
    assert list(report.table.columns) == ["layer", "other_layer", "a vs a"]
    assert set(report.rows["metric"]) == {"cka"}
    assert report.caption == ["Metric: cka (CKA)", "Data: photos"]
    assert "metric IN ('cka')" in report.sql
    assert len([ax for ax in report.figure().axes if ax.images]) == 1
    assert set(run("metric", alike, metrics=("cka",)).rows["metric"]) == {"cka", "mknn"}


def test_the_suggested_command_measures_only_the_metric(alike: Path, tmp_path: Path) -> None:
    record(tmp_path / "r.db", model(), CKA, [Record(metric="cka", layer=1, other_layer=1, value=1.0)], analysis="cka")
    record(tmp_path / "r.db", model(), TOP1, values(TOP1, [1.0]))
    assert run("metric", tmp_path / "r.db").caption[-1].endswith("--metric shows others: cka:cka")
    with pytest.raises(TeachMattersError, match="'tm report metric --metric cka:cka' shows it over the layers"):
        run("best-layers", alike, metrics=("cka:cka",))
    record(tmp_path / "r.db", model("mae-b16"), TOP1, values(TOP1, [1.0]))
    with pytest.raises(
        TeachMattersError, match=r"'tm analyze --model mae-b16 --metric cka:cka --data photos --db .*r.db' would"
    ):
        run("metric", tmp_path / "r.db", metrics=("cka:cka",), models=("mae-b16",))


def test_pairs_are_drawn_in_both_directions(tmp_path: Path) -> None:
    path, one, two = tmp_path / "r.db", model("a", depth=2), model("b", depth=3)
    grid = [Record(metric="cka", layer=i, other_layer=j, value=i / j) for i in (1, 2) for j in (1, 2, 3)]
    record(path, one, CKA, grid, other=two)
    report = run("metric", path)
    assert list(report.table.columns) == ["layer", "other_layer", "a vs b", "b vs a"]
    assert len([ax for ax in report.figure().axes if ax.images]) == 2


def test_several_metrics_have_separate_scales(alike: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squares_ = [ax for ax in run("metric", alike, metrics=("cka",)).figure().axes if ax.images]
    assert [ax.get_title() for ax in squares_] == ["a vs a\ncka", "a vs a\nmknn"]
    monkeypatch.setattr(squares, "MOST", 1)
    with pytest.raises(TeachMattersError, match="2 squares are too many for one figure; select at most"):
        run("metric", alike, metrics=("cka",)).figure()


def test_protocols_are_stacked_with_the_main_one_first(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("a"), PCK, values(PCK, [10.0]))
    table = run("metric", tmp_path / "r.db").table
    assert list(table.columns) == ["protocol", "layer", "a"]
    assert table["protocol"].tolist() == ["paper", "official"]


class TestErrors:
    def test_unknown_names(self, store: Path) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown model 'dino-s61'. Did you mean 'dino-s16'\?"):
            run("metric", store, models=("dino-s61",))
        with pytest.raises(UnknownNameError, match=r"unknown metric 'atn-distance'. Did you mean 'attn-distance'\?"):
            run("metric", store, metrics=("atn-distance",))
        with pytest.raises(UnknownNameError, match=r"unknown data set 'digit'. Did you mean 'digits'\?"):
            run("metric", store, data=("digit",))

    def test_nothing_measured_names_the_command(self, store: Path, tmp_path: Path) -> None:
        with pytest.raises(TeachMattersError, match=r"no numbers for .*model mae-b16.*'tm analyze --model mae-b16"):
            run("metric", store, metrics=("purity-cls",), models=("mae-b16",))
        record(tmp_path / "r.db", model("o'neil"), DISTANCE, heads(DISTANCE, [0.1]))
        with pytest.raises(TeachMattersError) as error:
            run("best-layers", tmp_path / "r.db")
        assert "r.db holds attn-distance, but nothing that report 'best-layers' shows (knn-top1, " in str(error.value)
        assert "'tm analyze --model 'o'\"'\"'neil' --metric knn-top1 --db " in str(error.value)
        assert str(error.value).endswith("r.db' measures the first.")

    def test_the_command_is_of_the_models_and_data_that_were_asked_for(self, tmp_path: Path) -> None:
        for label in ("a", "b", "c"):
            record(tmp_path / "r.db", model(label), DISTANCE, heads(DISTANCE, [0.1]), data="scenes")
        record(tmp_path / "r.db", model("a"), TOP1, values(TOP1, [1.0]), data="digits")
        command = "tm analyze --model b --model c --metric {} --data {} "
        with pytest.raises(NothingToShowError, match=command.format("knn-top1", "scenes")):
            run("metric", tmp_path / "r.db", metrics=("knn-top1",), models=("b", "c"), data=("scenes",))
        with pytest.raises(NothingToShowError, match=command.format("knn-top1", "digits")):
            run("metric", tmp_path / "r.db", metrics=("knn-top1",), models=("b", "c"))
        with pytest.raises(TeachMattersError, match=command.format("purity-cls", "scenes")):
            run("clusters", tmp_path / "r.db", models=("b", "c"), data=("scenes",))

    def test_a_metric_without_direction_has_no_best_layer(self, store: Path) -> None:
        with pytest.raises(TeachMattersError, match=r"attn-distance has no direction.*: knn-top1, purity-cls\."):
            run("best-layers", store, metrics=("attn-distance",))

    def test_direction_is_what_the_spec_says(self, store: Path) -> None:
        aimless = replace(SPECS["best-layers"], directed=False)
        with pytest.raises(TeachMattersError, match="report 'best-layers' cannot show attn-distance"):
            run_report(aimless, store, Options(metrics=("attn-distance",)))

    def test_a_metric_without_a_number_says_why(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        record(path, model(), MAP, [])
        with pytest.raises(NothingToShowError, match=r"attn-map-cls consists of arrays; .* FROM maps"):
            run("metric", path)
        record(path, model(), TOP1, [])
        with pytest.raises(NothingToShowError, match=r"knn-top1 has no number for any .* notes FROM runs"):
            run("metric", path, metrics=("knn-top1",))

    def test_a_data_set_that_cannot_have_it_is_not_suggested(self, tmp_path: Path) -> None:
        record(tmp_path / "r.db", model(), replace(TOP1, name="davis-jf"), values(TOP1, []), analysis="video")
        record(tmp_path / "r.db", model(), DISTANCE, heads(DISTANCE, [0.1]), data="digits")
        one = [replace(each, metric="davis-jf") for each in values(TOP1, [1.0])]
        record(tmp_path / "r.db", model(), replace(TOP1, name="davis-jf"), one, analysis="video", data="davis")
        with pytest.raises(NothingToShowError, match="digits does not have the data that davis-jf needs; 'tm data"):
            run("metric", tmp_path / "r.db", metrics=("davis-jf",), data=("digits",))

    def test_a_metric_of_arrays_has_no_points(self, tmp_path: Path) -> None:
        record(tmp_path / "r.db", model(), MAP, [])
        record(tmp_path / "r.db", model(), TOP1, values(TOP1, [1.0]))
        with pytest.raises(NothingToShowError, match="attn-map-cls consists of arrays"):
            run("scatter", tmp_path / "r.db", metrics=("attn-map-cls", "knn-top1"))

    def test_an_option_that_does_nothing_is_refused(self, store: Path) -> None:
        with pytest.raises(TeachMattersError, match=r"'best-layers' takes no --heads; it takes --metric, --model,"):
            run("best-layers", store, heads=(1,))


class TestPlugins:
    """A report of a stranger: a query and perhaps a drawing."""

    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        folder = tmp_path / "toy_report"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "toy.sql").write_text(
            "-- all\nSELECT model, layer, value, unit FROM results WHERE metric = 'knn-top1'"
        )
        (folder / "odd.sql").write_text("SELECT :nothing")
        monkeypatch.syspath_prepend(tmp_path)
        sys.modules.pop("toy_report", None)
        return "toy_report"

    def test_rows_are_its_table(self, package: str, store: Path) -> None:
        report = run_report(ReportSpec(name="toy", summary="", sql=f"{package}:toy.sql"), store, Options())
        assert report.table.columns.tolist() == ["model", "layer", "value", "unit"]
        assert report.table.iloc[0].tolist() == ["dino-s16", "1", "17.3", "percent"]
        with pytest.raises(TeachMattersError, match="'toy' has no figure"):
            report.figure()

    def test_broken_ones_say_what_is_wrong(self, package: str, store: Path) -> None:
        for sql, message in (
            (f"{package}:none.sql", "cannot read its SQL"),
            ("no_such_package:a.sql", "cannot read its SQL"),
            (f"{package}:odd.sql", "binds :nothing"),
        ):
            with pytest.raises(TeachMattersError, match=message):
                run_report(ReportSpec(name="toy", summary="", sql=sql), store, Options())
        spec = ReportSpec(name="toy", summary="", sql=f"{package}:toy.sql", draw=f"{package}:draw")
        with pytest.raises(TeachMattersError, match="cannot be loaded"):
            run_report(spec, store, Options()).figure()
