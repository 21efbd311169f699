"""Tests of study files: valid contents, and errors with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from teachmatters import registry
from teachmatters.errors import TeachMattersError
from teachmatters.runner.study.model import Study
from teachmatters.runner.study.resolve import open_study

pytestmark = pytest.mark.usefixtures("toys")

HEAD = "models: [toy-a, toy-b]\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("study.yaml")


def opened(file: Path, text: str) -> Study:
    file.write_text(text, encoding="utf-8")
    return open_study(registry.load(), file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "study.yaml is empty"),
        ("- a\n", "line 1: a study is a mapping (key: value), not a list; allowed keys: models, measure, db, device"),
        ("models: toy-a\n", "line 1: a study needs 'measure'"),
        ("models: [toy-a\nmeasure: x\n", "line 2: this is not YAML: expected ',' or ']'"),
        ("models: a\n\tmeasure: x\n", "line 2: this is not YAML: found character '\\t'"),
        ("model: toy-a\nmeasure: knn\n", "line 1: unknown key 'model' of a study. Did you mean 'models'?"),
        (HEAD + "measure: knn\nmodels: toy-b\n", "line 3: 'models' appears twice, first in line 1; keep one"),
        (HEAD + "measure:\n", "line 2: 'measure' is empty; name at least one"),
        ("models: []\nmeasure: knn\n", "line 1: 'models' is empty"),
        ("models: 5\nmeasure: knn\n", "line 1: 'models' must be a text, not 5; put it in quotes"),
        ("models: [toy-a, [toy-b]]\nmeasure: knn\n", "line 1: 'models' must be a text, not a list"),
        ("models:\n- toy-a\n- toy-bb\nmeasure: knn\n", "line 3: unknown model 'toy-bb'. Did you mean 'toy-b'?"),
        ("models:\n- toy-a\n- toy-a\nmeasure: knn\n", "line 3: two models are labelled 'toy-a'; give one a different"),
        ("models:\n- {label: x}\nmeasure: knn\n", "line 2: a model needs 'name'; allowed keys: name, label, weights"),
        ("models:\n- {name: 'toy-*', label: x}\nmeasure: knn\n", "line 2: 'x=toy-*': one label cannot name"),
        ("models:\n- {name: 'toy-*', weights: w.pth}\nmeasure: knn\n", "line 2: one weight file cannot belong to"),
        (HEAD + "measure:\n- metrics: kn\n", "line 3: unknown metric 'kn'. Did you mean 'knn'?"),
        (HEAD + "measure:\n- metrics:\n  - knn\n  - cka-clss\n", "line 5: unknown metric 'cka-clss'. Did you mean"),
        (HEAD + "measure:\n- metric: knn\n", "line 3: unknown key 'metric' of an entry of 'measure'. Did you"),
        (HEAD + "measure:\n- data: toys\n", "line 3: an entry of 'measure' needs 'metrics'"),
        (HEAD + "measure:\n- metrics: knn\n  data: tois\n", "line 4: unknown data set 'tois'. Did you mean 'toys'?"),
        (HEAD + "measure:\n- metrics: knn\n  data: photos\n", "line 3: knn needs labels, which photos does not offer"),
        (HEAD + "measure:\n- metrics: knn\n  models: toy-c\n", "line 4: unknown model 'toy-c'. Did you mean 'toy-"),
        (HEAD + "measure:\n- metrics: knn\n  limit: many\n", "line 4: 'limit' must be a whole number, not 'many'"),
        (HEAD + "measure:\n- metrics: knn\n  limit: true\n", "line 4: 'limit' must be a whole number, not True"),
        (HEAD + "limit: 0\nmeasure: knn\n", "line 2: limit 0: it must be at least 1"),
        (HEAD + "seed: -1\nmeasure: knn\n", "line 2: seed -1: it must be at least 0"),
        (HEAD + "dtype: float23\nmeasure: knn\n", "line 2: unknown dtype 'float23'. Did you mean 'float32'?"),
        (HEAD + "device: gpu\nmeasure: knn\n", "line 2: unknown device 'gpu'. Did you mean 'cpu'? Allowed: auto, cpu"),
        (HEAD + "batch_size: 0\nmeasure: knn\n", "line 2: batch_size 0: it must be at least 1"),
        (HEAD + "db: 3\nmeasure: knn\n", "line 2: 'db' must be a text, not 3"),
        (HEAD + "measure:\n- metrics: knn\n  data: toys\n  params: {kk: 3}\n", "line 5: unknown parameter 'kk'. "),
        (HEAD + "measure:\n- metrics: knn\n  data: toys\n  params:\n    k: x\n", "line 6: k=x: it must be comma-sep"),
        (HEAD + "measure:\n- metrics: knn\n  data: toys\n  params: {k: {a: 1}}\n", "line 5: parameter 'k' must be a v"),
        (HEAD + "measure:\n- metrics: knn\n  data: toys\n  params: 3\n", "line 5: 'params' is a mapping (name: value)"),
        (HEAD + "params:\n  k: 3\n  nobody: 1\nmeasure: knn\n", "line 4: unknown parameter 'nobody'."),
        (HEAD + "measure: !!python/object/apply:os.getcwd []\n", "line 2: 'tag:yaml.org,2002:python/object/apply"),
        (HEAD + "measure: 2024-13-45\n", "line 2: '2024-13-45' cannot be read: month must be in 1..12"),
        (HEAD + "measure: !!python/name:os.getcwd knn\n", "line 2: 'tag:yaml.org,2002:python/name:os"),
        (HEAD + "measure: knn\n? [a]\n: b\n", "line 3: a list or a mapping cannot be a key"),
        (HEAD + "measure: knn\n---\nmore: 1\n", "line 3: this is not YAML: but found another document"),
        ("[" * 600, "nested too deeply"),
    ],
    ids=lambda value: value[-24:] if isinstance(value, str) else value,
)  # fmt: skip
def test_errors_in_a_study_name_the_line(file: Path, text: str, message: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        opened(file, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("study.yaml")


def test_a_path_that_is_not_a_file_is_an_error(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(TeachMattersError, match=f"cannot read .*{words}.*; name a YAML file"):
            open_study(registry.load(), path)
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(TeachMattersError, match="not UTF-8 text"):
        open_study(registry.load(), tmp_path / "odd.yaml")


def test_aliases_cannot_expand_without_bound(file: Path) -> None:
    rungs = [f"- &r{n} [{', '.join([f'*r{n - 1}'] * 10)}]" for n in range(1, 9)]
    bomb = "models:\n" + "\n".join(["- &r0 [toy-a]", *rungs]) + "\nmeasure: knn\n"
    with pytest.raises(TeachMattersError, match=r"more than 20,000 values, .* aliases \(\*\) multiply both"):
        opened(file, bomb)
    with pytest.raises(TeachMattersError, match="nested deeper than 20"):
        opened(file, "models: &self [*self]\nmeasure: knn\n")


def test_an_alias_is_replaced_by_its_anchor(file: Path) -> None:
    study = opened(file, "models: toy-a\nmeasure:\n- metrics: &all [knn]\n- metrics: *all\n  limit: 3\n")
    assert [(study_task.request.analysis.name, study_task.run_settings.limit) for study_task in study.study_tasks] == [
        ("knn", None),
        ("knn", 3),
    ]


FULL = """
models:
  - toy-a
  - other=toy-b
  - {name: toy-b, weights: epoch010.pth}
  - {name: toy-c, label: mine, weights: ../mine.pth}
data: toys
limit: 9
seed: 1
dtype: bfloat16
params: {count: 20, k: [1, 5], knn.temperature: 0.2}
batch_size: 4
device: cpu
db: out.db
measure:
  - knn
  - metrics: [knn-top1, attention]
    limit: null
    seed: 0
    dtype: float32
    params: {temperature: 1, bad: "3"}
  - metrics: attn-distance
    models: [toy-*]
    limit: 9
"""


def test_a_whole_file(file: Path) -> None:
    study = opened(file, FULL)
    weights = [(model.label, model.spec.name, str(model.weights)) for model in study.models]
    assert weights == [
        ("toy-a", "toy-a", "None"),
        ("other", "toy-b", "None"),
        ("toy-b@epoch010", "toy-b", "epoch010.pth"),
        ("mine", "toy-c", "../mine.pth"),
    ]
    assert (study.db, study.device, study.batch_size, study.remarks) == ("out.db", "cpu", 4, ())
    told = [
        (
            w.request.analysis.name,
            w.data.name,
            w.run_settings.limit,
            w.run_settings.seed,
            w.run_settings.dtype,
            dict(w.run_settings.given),
        )
        for w in study.study_tasks
    ]
    own = {"count": "20", "k": "1,5", "temperature": "1", "bad": "3"}
    assert told == [
        ("knn", "toys", 9, 1, "bfloat16", {"count": "20", "k": "1,5", "knn.temperature": "0.2"}),
        ("knn", "toys", None, 0, "float32", own),
        ("attention", "toys", None, 0, "float32", own),
        ("attention", "toys", 9, 1, "bfloat16", {"count": "20"}),
    ]
    assert [sorted(study_task.request.metrics)[0] for study_task in study.study_tasks][1::2] == [
        "knn-top1",
        "attn-distance",
    ]


def test_paths_are_relative_to_the_file(file: Path) -> None:
    Path("deep").mkdir()
    text = "models: {name: toy-a, weights: w.pth}\ndb: r.db\ndata_root: images\n"
    text += "measure: {metrics: attention, data: folder}\n"
    study = opened(Path("deep/study.yaml"), text)
    assert [str(model.weights) for model in study.models] == ["deep/w.pth"]
    assert (study.db, str(study.study_tasks[0].run_settings.data_root)) == ("deep/r.db", "deep/images")
    assert opened(file, HEAD + "measure: knn\ndb: sqlite:///x.db\n").db == "sqlite:///x.db"


def test_equal_entries_are_merged(file: Path) -> None:
    study = opened(
        file,
        HEAD + "measure:\n- {metrics: attn-distance, data: toys}\n- {metrics: attn-on-cls, data: toys, models: toy-b}\n"
        "- {metrics: attn-distance, data: toys, params: {count: 21}}\n"
        "- {metrics: attn-distance, data: toys, limit: 2}\n",
    )
    assert [study_task.run_settings.limit for study_task in study.study_tasks] == [None, 2]
    assert study.study_tasks[0].request.metrics == {"attn-distance", "attn-on-cls"}
    assert list(study.study_tasks[0].cells(study.labels)) == [("toy-a", ""), ("toy-b", "")]


def test_pairs_are_those_within_an_entry(file: Path) -> None:
    entries = "".join(f"- {{metrics: cka, data: toys, models: [toy-{one}, toy-{two}]}}\n" for one, two in ("ab", "bc"))
    study = opened(file, "models: [toy-a, toy-b, toy-c]\nmeasure:\n" + entries)
    pairs = [("toy-a", "toy-a"), ("toy-a", "toy-b"), ("toy-b", "toy-b"), ("toy-b", "toy-c"), ("toy-c", "toy-c")]
    assert [list(study_task.cells(study.labels)) for study_task in study.study_tasks] == [pairs]


def test_choices_made_for_the_user_are_reported(file: Path) -> None:
    study = opened(file, HEAD + "measure:\n- knn\n- {metrics: how, data: [toys, photos]}\n")
    assert study.remarks[0] == "study.yaml, line 3: no data set is named: using scenes"
    assert "study.yaml, line 4: attention-iou cannot use 'photos': left out" in study.remarks
