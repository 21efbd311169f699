"""Tests of ``tm`` as a whole: exit codes, one-line errors, commands of plugins, Ctrl-C."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from teachmatters.api import CommandSpec
from teachmatters.cli.app import app, main
from teachmatters.cli.specs import register_commands

RUNNER = CliRunner()


def tm(*words: str, **env: str) -> Result:
    return RUNNER.invoke(app, list(words), env=env)


def refused(result: Result, words: str) -> None:
    """Exit 1, nothing on standard output, and exactly one line on standard error that says so."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_help_shows_the_commands_in_order_and_imports_none_of_them() -> None:
    code = (
        "import sys\nfrom teachmatters.cli.app import main\nsys.argv = ['tm', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m.startswith('teachmatters.cli.')), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stderr.strip() == str(
        [f"teachmatters.cli.{name}" for name in ("app", "output", "specs", "verbosity")]
    )
    shown = [line.split()[0] for line in answer.stdout.partition("Commands:\n")[2].splitlines()]
    assert shown == [spec.name for spec in register_commands()]
    assert (shown[0], shown[-1]) == ("analyze", "help")


@pytest.mark.parametrize("spec", register_commands(), ids=lambda spec: spec.name)
def test_the_help_of_tm_and_of_each_command_agree(spec: CommandSpec) -> None:
    told = " ".join(tm(spec.name, "--help").stdout.partition("\n\n")[2].partition("\n\n")[0].split())
    assert told == spec.summary


def test_help_and_version() -> None:
    assert "analyze" in tm("--help").stdout
    assert tm("--version").stdout.startswith("teachmatters 0.")
    assert tm().exit_code == 2
    for command in ("analyze", "report", "query", "models", "datasets", "metrics", "plugins", "demo", "db"):
        answer = tm(command, "--help")
        assert answer.exit_code == 0
        assert command == "db" or "Examples:" in answer.stdout


@pytest.mark.usefixtures("toys")
def test_analyze_then_read(here: Path) -> None:
    first = tm("analyze", "--model", "toy-a", "--metric", "attn-distance", "--data", "toys", "--format", "json")
    assert first.exit_code == 0
    rows = json.loads(first.stdout)
    assert len(rows) == 3 * 4
    assert {row["metric"] for row in rows} == {"attn-distance"}
    assert {row["head"] for row in rows} == {None, 1, 2, 3}
    assert "done   toy-a: attention on toys: 21 images" in first.stderr
    again = tm("analyze", "--model", "toy-a", "--metric", "attn-distance", "--data", "toys")
    assert "reused toy-a" in again.stderr
    assert "recorded" not in again.stderr
    value = f"{rows[0]['value']:.4f}"
    assert value in again.stdout
    query = tm("query", "SELECT model, layer, head, metric, value FROM results", "--format", "json")
    assert len(json.loads(query.stdout)) == 12
    if (program := shutil.which("sqlite3")) is not None:
        command = [program, "results.db", "SELECT count(*) FROM results"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "12"


@pytest.mark.usefixtures("toys")
def test_a_metric_without_layer_values_is_shown_alone() -> None:
    asked = ("analyze", "--model", "toy-a", "--data", "toys", "--metric")
    among_others = tm(*asked, "attention")
    assert "attn-distance " in among_others.stdout
    assert "attn-head-type" not in among_others.stdout
    assert (
        "several values per layer: attn-head-type; see 'tm report metric --metric attn-head-type'"
        in among_others.stderr
    )
    alone = tm(*asked, "attn-head-type")
    assert "Metric: attn-head-type " in alone.stdout
    assert "several values" not in alone.stderr


@pytest.mark.usefixtures("toys")
def test_analyze_prints_one_table_by_default_all_with_v_none_with_q() -> None:
    asked = ("analyze", "-m", "toy-a", "-m", "toy-b", "--data", "toys", "--metric", "attn-distance", "--metric", "knn")
    usual, loud, quiet = (tm(*asked, *more) for more in ((), ("-v",), ("-q",)))
    assert usual.stdout.count("-----\n") == 1
    assert "score (best layer)" in usual.stdout
    lines = usual.stderr.splitlines()
    assert next(line for line in lines if line.startswith("done")).startswith("done   toy-a: attention, knn on toys")
    assert sum(line.startswith("done") for line in lines) == 2
    assert len({line for line in lines if line.startswith("note: ")}) == sum(line.startswith("note") for line in lines)
    assert loud.stdout.count("Metric: ") > 2
    assert loud.stderr.count("reused toy-a") == 2, "one line per analysis"
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert json.loads(tm(*asked, "-q", "--format", "json").stdout), "data that is asked for is no message"
    failed = tm("analyze", "-m", "toy-a", "-m", "toy-broken", "--data", "toys", "--metric", "knn", "-q")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr == "failed toy-broken: knn on toys: toy-broken is broken\n"


@pytest.mark.usefixtures("toys")
def test_the_default_data_set_is_named_with_its_size() -> None:
    answer = tm("analyze", "--model", "toy-a", "--metric", "toy-motion")
    assert "no --data given: toy-video on 'toys' (20 images)" in answer.stderr
    again = tm("analyze", "--model", "toy-a", "--metric", "toy-motion")
    assert "no --data" not in again.stderr


@pytest.mark.usefixtures("toys")
def test_the_final_table_shows_which_models_failed() -> None:
    answer = tm("analyze", "-m", "toy-a", "-m", "toy-broken", "--metric", "attn-distance", "--data", "toys")
    assert answer.exit_code == 1
    assert "done   toy-a: attention on toys" in answer.stderr
    assert "failed toy-broken: attention on toys: toy-broken is broken" in answer.stderr
    assert "toy-a" in answer.stdout


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("analyze -m toy-z --metric knn", "Did you mean 'toy-"),
        ("analyze -m toy-a --metric knm", "Did you mean 'knn'"),
        ("analyze -m toy-a --metric knn --data toyz", "Did you mean 'toys'"),
        ("analyze -m toy-a --metric knn --data toys --param kk=1", "unknown parameter 'kk'"),
        ("analyze -m toy-a --metric knn --data toys --limit 0", "--limit 0"),
        ("analyze -m toy-a --metric knn --data imagenet", "--data-root"),
        ("analyze -m toy-a --metric knn --data imagenet --data-root nowhere", "--data-root nowhere is not a directory"),
        ("analyze -m toy-a --metric knn --data imagenet --data-root .", "train"),
        ("analyze -m toy-a --metric attn-distance --data folder --data-root .", "images"),
        ("analyze -m toy-nan --metric knn --data toys", "layer 2 is not finite"),
        ("analyze -m toy-broken --metric knn --data toys", "toy-broken is broken"),
        ("analyze -m dino-s16 --metric knn --data toys", "--weights FILE"),
        ("analyze -m dino-s16 -w nowhere.pth --metric knn --data toys", "nowhere.pth"),
        ("analyze -m dino-s16 -w junk.pth --metric knn --data toys", "junk.pth"),
        ("analyze -m dino-s16 -w evil.pth --metric knn --data toys", "evil.pth"),
        ("analyze -m toy-a --metric knn --data toys --db junk.pth", "is not a SQLite file"),
        ("analyze -m toy-a --metric knn --data toys --db .", "is a folder"),
        ("analyze -m toy-a --metric knn --data toys --db no/where.db", "does not exist"),
        ("report best-layer", "Did you mean 'best-layers'"),
        ("report best-layers --db none.db", "tm analyze"),
        ("query SELECT --db none.db", "tm analyze"),
        ("models dino-b61", "Did you mean 'dino-b16'"),
        ("datasets fotos", "Did you mean 'photos'"),
        ("datasets folder --data-root nowhere", "not a directory"),
        ("metrics attn-distanse", "Did you mean 'attn-distance'"),
        ("plugins nope", "unknown plugin 'nope'"),
        ("demo --out junk.pth", "junk.pth"),
    ],
)
def test_an_error_is_one_line_and_creates_nothing(here: Path, line: str, words: str) -> None:
    (here / "junk.pth").write_text("not a checkpoint")
    (here / "evil.pth").write_bytes(pickle.dumps(Payload()))
    refused(tm(*line.split()), words)
    assert sorted(path.name for path in here.iterdir()) == ["evil.pth", "junk.pth"]


class Payload:
    """A pickle that would leave a file behind, if it ran."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("it-ran"),)


def test_unknown_or_invalid_options_exit_with_2() -> None:
    for line in ("analyze", "analyze --nope", "analyze -m a --metric b --limit x", "nope", "models --format xml"):
        assert tm(*line.split()).exit_code == 2


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("teachmatters.registry.load", broken)
    answer = tm("models", "x")
    assert isinstance(answer.exception, RuntimeError)


def test_an_error_of_the_system_is_one_line_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        Path("x" * 300).stat()

    monkeypatch.setattr("teachmatters.registry.load", broken)
    refused(tm("models", "x"), "xxx': File name too long")


PROGRAM = (sys.executable, "-m", "teachmatters")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("line", ["--help", "report --help", "db --help", "--version"])
def test_a_full_disk_while_printing_help_is_one_line(line: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, *line.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write ")
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


def test_the_reader_of_the_help_may_close_the_pipe() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PROGRAM, "--help"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_standard_output_may_be_closed() -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" >&-', "bash", *PROGRAM, "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "Error: cannot write to standard output: it is closed.\n")


def test_a_notebooks_matplotlib_backend_is_ignored(here: Path) -> None:
    """Its kernel names a module in MPLBACKEND that the Python of tm may lack."""
    env = dict(os.environ, MPLBACKEND="module://no_such_module.backend_inline")
    command = [*PROGRAM, "report", "knn", "--db", str(Path(__file__).parents[2] / "results.db"), "--plot", "x.png"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, (here / "x.png").exists()) == (0, True), done.stderr


@pytest.mark.parametrize(("given", "kept"), [(None, "1"), ("0", "0")])
def test_torch_asks_for_huge_pages_unless_the_user_says_no(
    given: str | None, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tm", "--version"])
    monkeypatch.setenv("MPLBACKEND", "agg")  # main changes both, and they are restored after the test
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", given or "")
    if given is None:
        monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    with pytest.raises(SystemExit):
        main()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == kept


def test_tm_debug_shows_the_traceback() -> None:
    answer = tm("models", "dino-b61", TM_DEBUG="1")
    assert answer.exit_code == 1
    assert "Traceback" in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("Error: unknown model")


def test_listings_as_tables_and_as_json() -> None:
    for command, name in (("models", "dino-b16"), ("datasets", "digits"), ("metrics", "knn-top1")):
        assert name in tm(command).stdout
        rows = json.loads(tm(command, "--format", "json").stdout)
        assert name in {row["name"] for row in rows}
        (shown,) = json.loads(tm(command, name, "--format", "json").stdout)
        assert shown["name"] == name
        assert shown["summary"] in tm(command, name).stdout
    assert "1,797" in tm("datasets", "digits").stdout
    assert len(json.loads(tm("metrics", "knn", "--format", "json").stdout)) == 4
    assert "\nk=10,20,100,200 (1 or more): numbers of neighbours\n" in tm("metrics", "knn").stdout
    assert "\nnorm=none (none, final; a list makes one run per value): " in tm("metrics", "knn").stdout
    assert "norm=" not in tm("metrics", "knn-*").stdout
    assert tm("models", "timm/vit_small_patch16_224.dino").exit_code == 0


def test_models_are_listed_by_family_then_by_name() -> None:
    table = tm("models").stdout
    assert "dinov2-b14" in table
    assert "dinov2-s14" not in table
    assert table.splitlines()[2].split()[:3] == ["supervised", "10", "supervised-b16,"]
    members = tm("models", "dinov2").stdout
    assert [line.split()[0] for line in members.splitlines()[2:4]] == ["dinov2-s14", "dinov2-b14"]
    found = json.loads(tm("models", "mini-*@128", "--format", "json").stdout)
    assert {(row["family"], row["image_size"]) for row in found} >= {("mini-dino", 128), ("mini-random", 128)}
    assert len(json.loads(tm("models", "--format", "json").stdout)) > 100
    refused(tm("models", "dinov2-s14@500"), "the nearest are 490 and 504")


def test_a_folder_is_checked_against_the_layout(here: Path) -> None:
    from PIL import Image

    for name in ("cats", "dogs"):
        (here / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(here / "pets" / name / "1.png")
    assert "found       2 for images; 2 for labels; 2 classes" in tm("datasets", "folder", "--data-root", "pets").stdout


PLUGIN = """
import typer
from teachmatters import hookimpl
from teachmatters.api import CommandSpec

@hookimpl
def register_commands():
    return [CommandSpec(name="greet", summary="Say hello.", app="tmt_greet_app:app")]
"""
PLUGIN_APP = """
import typer
from teachmatters.errors import TeachMattersError

app = typer.Typer()

@app.command()
def greet(name: str, loud: bool = False):
    if name == "nobody":
        raise TeachMattersError("nobody is there; name somebody")
    print(f"hello {name}" + "!" * loud)
"""


@pytest.fixture
def greeting(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from teachmatters import registry

    (here / "tmt_greet.py").write_text(PLUGIN)
    (here / "tmt_greet_app.py").write_text(PLUGIN_APP)
    info = here / "tmt_greet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tmt-greet\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[teachmatters]\ngreet = tmt_greet\n")
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setenv("TM_LOAD_PLUGINS", "tmt-greet")
    registry.load.cache_clear()
    yield
    registry.load.cache_clear()
    for module in ("tmt_greet", "tmt_greet_app"):
        sys.modules.pop(module, None)


@pytest.mark.usefixtures("greeting")
def test_a_plugins_command_is_a_command_of_tm() -> None:
    help_page = tm("--help").stdout
    assert "Say hello." in help_page
    assert "tmt_greet_app" not in sys.modules  # help knows the spec and needs no more
    assert tm("greet", "world", "--loud").stdout == "hello world!\n"
    help_of_greet = tm("greet", "--help").stdout
    assert "--loud" in help_of_greet
    assert "completion" not in help_of_greet  # Typer's own options of an app, not those of a command
    refused(tm("greet", "nobody"), "nobody is there")
    assert tm("greet").exit_code == 2
    assert "tmt-greet" in tm("plugins").stdout


@pytest.mark.usefixtures("greeting")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import no_such_module", "'tmt_greet_app:app', named by a plugin, cannot be loaded: ModuleNotFoundError"),
        ("1 / 0", "'tmt_greet_app:app', named by a plugin, cannot be loaded: ZeroDivisionError: division by zero"),
        ("", "cannot be loaded: tmt_greet_app has no 'app'"),
        ("app = print", "'tmt_greet_app:app' is not a Typer app with a command"),
        ("import typer\napp = typer.Typer()", "'tmt_greet_app:app' is not a Typer app with a command"),
    ],
)
def test_a_broken_command_is_one_line_and_does_not_affect_others(here: Path, body: str, words: str) -> None:
    (here / "tmt_greet_app.py").write_text(body)
    assert "Say hello." in tm("--help").stdout
    refused(tm("greet"), words)
    refused(tm("greet", "--help"), words)
    assert tm("models").exit_code == 0
