"""Tests of ``tm study``: the plan, the closing table, failures and the packaged studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters import registry
from teachmatters.cli.app import app
from teachmatters.runner.study.files import packaged
from teachmatters.runner.study.resolve import open_study
from tests.pages import DOCS
from tests.toys import toy_source

PAPER, MINI = packaged()["paper"], packaged()["mini"]
TEXT = "models: [toy-a, toy-b]\nmeasure:\n- {metrics: [attn-distance, toy-similarity], data: toys}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: None) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(TEXT, encoding="utf-8")


def tm(*words: str) -> Result:
    return CliRunner().invoke(app, ["study", *words])


def test_a_plan_a_run_and_a_plan_again() -> None:
    planned = tm("study.yaml", "--plan")
    assert planned.exit_code == 0
    assert planned.stdout.splitlines()[2].split()[:8] == [
        "toys",
        "crop",
        "attention,",
        "toy-pairs",
        "2",
        "2",
        "21",
        "42",
    ]
    assert "5 of 5 cells are missing from results.db\n42 forward passes over 21 images, about 1 s" in planned.stderr
    assert "not included in this time: 3 comparisons of models and the computations after each pass\n" in planned.stderr
    assert "forward passes a second on this cpu: ViT-24/8: crop " in planned.stderr
    assert [path.name for path in Path().iterdir()] == ["study.yaml"]
    done = tm("study.yaml")
    assert done.exit_code == 0
    assert [line.split() for line in done.stdout.splitlines()[2:]] == [
        ["toys", "attention", "2", "0", "0"],
        ["toys", "toy-pairs", "3", "0", "0"],
    ]
    assert "done   toy-a: attention on toys: 21 images in" in done.stderr
    assert done.stderr.endswith("done 5, reused 0, failed 0; the results are in results.db\n")
    again = tm("study.yaml")
    assert again.stderr == "done 0, reused 5, failed 0; the results are in results.db\n"
    assert tm("study.yaml", "--plan").output == "0 of 5 cells are missing from results.db\n"
    Path("alone.yaml").write_text("models: toy-a\nmeasure: [{metrics: knn, data: toys}]\n", encoding="utf-8")
    assert tm("alone.yaml", "--plan").stderr.endswith("\nnot included in this time: the computations after each pass\n")


def test_json_is_a_list_of_objects_and_nothing_else() -> None:
    Path("study.yaml").write_text(TEXT + "- {metrics: attn-distance, data: coco}\n", encoding="utf-8")
    rows = json.loads(tm("study.yaml", "--plan", "--format", "json").stdout)
    columns = ("model", "data", "forward_passes", "comparisons")
    assert [(*map(row.get, columns), bool(row["problem"])) for row in rows] == [
        ("toy-a", "toys", 21, None, False), ("toy-b", "toys", 21, None, False),
        (None, None, None, 3, False), (None, "coco", None, None, True),
    ]  # fmt: skip
    assert rows[0]["per_second"] > 0
    ended = tm("study.yaml", "--format", "json")
    assert ended.exit_code == 1
    told = [(row["status"], row["model"], row["other_model"], row["data"]) for row in json.loads(ended.stdout)]
    assert told.count(("done", "toy-a", "toy-b", "toys")) == 1
    assert [row for row in told if row[0] == "failed"] == [
        ("failed", "toy-a", None, "coco"), ("failed", "toy-b", None, "coco"),
    ]  # fmt: skip


def test_failures_are_listed_once_per_reason() -> None:
    Path("study.yaml").write_text(TEXT.replace("toy-b", "toy-broken"), encoding="utf-8")
    ended = tm("study.yaml")
    assert ended.exit_code == 1
    failed = [line for line in ended.stderr.splitlines() if line.startswith("failed")]
    assert failed == ["failed 3 cells (toy-pairs, attention on toys; toy-a, toy-broken): toy-broken is broken"]
    assert ended.stderr.endswith("done 2, reused 0, failed 3; the results are in results.db\n")
    quiet = tm("study.yaml", "-q")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr.splitlines()) == (1, "", failed)
    planned = tm("study.yaml", "--plan")
    assert planned.exit_code == 0
    assert "not counted, toy-broken: toy-broken is broken\n3 of 5 cells are missing" in planned.stderr


def test_the_store_comes_from_the_option_then_from_the_file() -> None:
    Path("study.yaml").write_text("db: own.db\n" + TEXT, encoding="utf-8")
    assert tm("study.yaml", "--db", "other.db").exit_code == 0
    assert [path.name for path in Path().glob("*.db")] == ["other.db"]
    assert "in own.db" in tm("study.yaml").stderr


def test_an_invalid_study_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("study.yaml").write_text(TEXT.replace("toy-b", "toy-bb"), encoding="utf-8")
    for words in (["study.yaml"], ["study.yaml", "--plan"]):
        answer = tm(*words)
        assert (answer.exit_code, answer.stdout) == (1, "")
        assert answer.stderr.startswith("Error: study.yaml, line 1: unknown model 'toy-bb'. Did you mean 'toy-b'?")
        assert answer.stderr.count("\n") == 1
    assert tm("none.yaml").stderr == "Error: cannot read 'none.yaml': No such file or directory; name a YAML file\n"
    assert tm().stderr.startswith("Error: no study is named; ")
    assert "Did you mean 'paper'?" in tm("papr").stderr
    assert "--data, --out belong to 'tm study new'" in tm("study.yaml", "--data", "x", "--out", "y").stderr


def test_a_new_study_has_the_users_models_and_data_and_runs_unchanged() -> None:
    Path("o'dd.pth").touch()
    words = ("-m", "toy-a", "-m", "mine=dino-s16", "-w", "mine=o'dd.pth", "--data", "toys", "--out", "new.yaml")
    assert "Wrote new.yaml" in tm("new", *words).stderr
    study = open_study(registry.load(), Path("new.yaml"))
    assert study.labels == ["toy-a", "mine"]
    assert study.models[1].weights == Path("o'dd.pth").absolute()
    toys = registry.load().datasets["toys"]
    allowed = {spec.name for spec in registry.load().analyses.values() if spec.metrics_on(toys.kinds)}
    assert {task.request.analysis.name for task in study.study_tasks} == allowed
    assert {task.data.name for task in study.study_tasks} == {"toys"}
    assert "new.yaml exists already" in tm("new", *words).stderr
    assert "Did you mean 'toys'?" in tm("new", "--data", "toyz").stderr
    assert tm("new", "--data", "coco", "--data-root", "a b", "--out", "coco.yaml").exit_code == 0
    assert f"data_root: '{Path('a b').absolute()}'" in Path("coco.yaml").read_text()


def test_the_list_has_the_packaged_studies() -> None:
    assert [line.split()[0] for line in tm("--list").stdout.splitlines()[2:]] == list(packaged())
    assert {"mini", "paper"} <= set(packaged())


def test_an_interrupted_study_says_how_to_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tests.toys.toy_source", stopped)
    answer = tm("study.yaml")
    assert answer.exit_code == 130
    assert "stopped; run the same command again to continue" in answer.stderr
    monkeypatch.setattr("tests.toys.toy_source", toy_source)
    assert tm("study.yaml").exit_code == 0
    monkeypatch.setattr("tests.toys.toy_source", stopped)
    assert (
        "stopped; finished cells are in results.db; run the same command again to continue" in tm("study.yaml").stderr
    )


# ---------------------------------------------------------------- the packaged studies
def test_the_papers_study_names_its_models_and_data() -> None:
    study = open_study(registry.load(), PAPER)
    assert len(study.models) == 20
    assert {model.spec.image_size for model in study.models} == {224}
    families = {model.spec.family for model in study.models}
    assert families == {"supervised", "clip", "dino", "moco", "mae", "beit"}
    data = {study_task.data.name for study_task in study.study_tasks}
    assert data == {"imagenet50", "imagenet", "coco", "partimagenet", "roxford5k", "rparis6k", "davis", "spair"}
    wanted = {(study_task.request.analysis.name, study_task.data.name) for study_task in study.study_tasks}
    paper = {(s.name, d) for s in registry.load().analyses.values() if "paper" in s.suites for d in s.paper_data}
    assert wanted == paper
    assert all(study_task.setting == "" for study_task in study.study_tasks), "as the protocols say"


def test_its_plan_without_data_or_weights_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    answer = tm("paper", "--plan")
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "weights of supervised-s16," in answer.stderr
    assert "(20 in all) are not here; 'tm fetch' gets them" in answer.stderr
    for name, cells in {"imagenet50": 270, "imagenet": 20, "coco": 40, "davis": 20, "spair": 20}.items():
        assert f"not counted, {cells} cells on {name}: data set '{name}' is not bundled" in answer.stderr
    assert answer.stderr.endswith("450 of 450 cells are missing from results.db\n")


def test_the_bundled_study_is_what_the_shipped_results_hold() -> None:
    from teachmatters.store import query

    study = open_study(registry.load(), MINI)
    assert sorted(study.labels) == sorted(name for name in registry.load().models if name.startswith("mini-"))
    lacking = {"attn-on-registers"}  # the mini models have none
    wanted = {
        (*cell, study_task.data.name, study_task.request.analysis.name, metric)
        for study_task in study.study_tasks
        for cell in study_task.cells(study.labels)
        for metric in study_task.request.metrics
        & study_task.request.analysis.metrics_on(study_task.data.kinds) - lacking
    }
    shipped = query(
        DOCS.parent / "results.db",
        "SELECT DISTINCT model, COALESCE(other_model, ''), dataset, analysis, metric "
        "FROM results WHERE other_model IS NULL OR model <= other_model UNION SELECT DISTINCT model, '', dataset, "
        "analysis, name FROM maps WHERE name NOT LIKE 'unit:%' AND name NOT LIKE 'pseudo:%'",
    )
    assert {tuple(row) for row in shipped.rows} == wanted
