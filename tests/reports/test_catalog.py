from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from teachmatters.api import Record
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.reports.catalog import read_catalog
from teachmatters.store import Store
from tests.reports.stores import CKA, TOP1, model, record, values


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "results.db"
    for label, family in (("mini-a", "mini"), ("mini-b", "mini"), ("mine", "dino"), ("mini", "other")):
        record(path, model(label, family=family), TOP1, values(TOP1, [1.0]), setting="limit=2")
    pair = model("mine", family="dino"), model("zeta", family="mae")
    record(path, pair[0], CKA, [Record(metric="cka", layer=1, other_layer=1, value=0.5)], other=pair[1])
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["mine"], ("mine",)),
        (["mini-*"], ("mini-a", "mini-b")),
        (["dino"], ("mine",)),
        (["mini"], ("mini",)),  # a label comes before a family
        (["mine", "m*"], ("mine", "mini", "mini-a", "mini-b")),
        (["mae"], ("zeta",)),  # seen only as the second of a pair
        ([], ()),
    ],
)
def test_models_by_label_pattern_or_family(several: Path, given: list[str], expected: tuple[str, ...]) -> None:
    assert read_catalog(several).find_models(given) == expected


def test_metrics_by_analysis_or_name(several: Path) -> None:
    catalog = read_catalog(several)
    assert catalog.find_metrics(["knn"]) == catalog.find_metrics(["knn-*"]) == catalog.find_metrics(["knn:knn-top1"])
    assert catalog.find_metrics(["cka", "cka:cka"]) == ("cka",)
    assert catalog.find_metrics(["knn:*"]) == ("knn-top1",)
    assert catalog.find_metrics(["what", "why"]) == ("cka", "knn-top1"), "suites, as in analyze"
    with pytest.raises(UnknownNameError, match="unknown metric 'cka:knn-top1'"):
        catalog.find_metrics(["cka:knn-top1"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("find_models", "unknown model 'mini-x'. Did you mean 'mini-b'? "
            "results.db holds mine, mini, mini-a, mini-b, zeta."),
        ("find_metrics", "unknown metric 'mini-x'. results.db holds knn-top1, cka."),
        ("find_data", "unknown data set 'mini-x'. results.db holds photos."),
    ],
)  # fmt: skip
def test_unknown_names_list_the_stored_ones(several: Path, call: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        getattr(read_catalog(several), call)(["mini-x"])
    assert str(error.value) == message


def test_an_unknown_setting(several: Path) -> None:
    catalog = read_catalog(several)
    assert catalog.find_setting("limit=2") == "limit=2"
    assert catalog.find_setting("") == ""
    with pytest.raises(
        TeachMattersError, match=r"no run in results.db has the setting 'limit=3'; it holds 'limit=2', and defaults"
    ):
        catalog.find_setting("limit=3")


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    Store.open(tmp_path / "new.db").close()
    with pytest.raises(
        TeachMattersError,
        match=r"new.db holds no results yet; 'tm analyze --model random-s16 --metric knn-top1 --db /.*/new.db'",
    ):
        read_catalog(tmp_path / "new.db")


def test_the_suggested_command_names_the_request_and_the_store(several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = read_catalog(several)
    assert catalog.command("knn-top1", models=("zeta", "mine"), data=("a b",)) == (
        f"tm analyze --model zeta --model mine --metric knn-top1 --data 'a b' --db {several}"
    )
    monkeypatch.setenv("TM_DB", str(several))
    assert catalog.command("cka") == "tm analyze --model mini-a --metric cka:cka --data photos"
    assert catalog.command("rank") == "tm analyze --model mini-a --metric rank"


def test_the_suggested_command_resolves_labels(tmp_path: Path) -> None:
    """The bare name would measure other weights, the bare label means nothing to 'tm analyze'."""
    path, mine = tmp_path / "r.db", replace(model("mine"), name="dino-s16")
    record(path, mine, TOP1, values(TOP1, [1.0]), data="digits")
    record(path, model("alpha"), CKA, [Record(metric="cka", layer=1, other_layer=1, value=0.5)], other=mine)
    assert (
        read_catalog(path)
        .command("knn-top1", models=("mine",))
        .startswith("tm analyze --model mine=dino-s16 --weights mine=FILE --metric knn-top1 --data digits --db ")
    )


@pytest.mark.parametrize(
    ("call", "name", "message"),
    [
        (
            "find_models",
            "dino-b16",
            "results.db has no numbers of the model 'dino-b16' yet; it holds mine, mini, mini-a",
        ),
        ("find_metrics", "map-hard", "results.db has no numbers of the metric 'map-hard' yet; it holds knn-top1, cka."),
        ("find_data", "folder", "results.db has no numbers of the data set 'folder' yet; it holds photos."),
        ("find_data", "fold*", "no data set in results.db matches 'fold*'; it holds photos."),
    ],
)
def test_unmeasured_models_are_not_called_unknown(several: Path, call: str, name: str, message: str) -> None:
    with pytest.raises(TeachMattersError) as error:
        getattr(read_catalog(several), call)([name])
    assert str(error.value).startswith(message)


def test_default_settings_are_named(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model(), TOP1, values(TOP1, [1.0]))
    with pytest.raises(TeachMattersError, match=r"no run in r.db has the setting 'k=1'; every run there uses"):
        read_catalog(tmp_path / "r.db").find_setting("k=1")


def test_the_latest_metric_facts_are_used(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    record(path, model(), TOP1, values(TOP1, [1.0]))
    record(path, model(), replace(TOP1, title="Better"), values(TOP1, [1.0]))
    facts = read_catalog(path).facts["knn-top1"]
    assert (facts.title, facts.unit, facts.higher_is_better, facts.upper) == ("Better", "percent", True, 100)
