"""Tests of every command line of the README, the pages and the help texts.

A page's commands run in its order, in a folder that holds what they name. The bundled data sets are cut down to a few
images and the networks to inputs of 64 x 64 pixels meanwhile, k-means starts twice and figures have few pixels;
nothing else differs from what a reader would see.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from teachmatters import registry
from teachmatters.api import Item, Kind, Role
from teachmatters.cli.app import app
from teachmatters.cli.measure import demo
from teachmatters.models import networks, sources, timm_ids
from teachmatters.models.networks import create
from tests import fixtures
from tests.pages import PAGES, ROOT, blocks, commands, forget_written, install_written
from tests.test_docs import COMMANDS

NOT_OURS = {
    "make": "installs from a registry; continuous integration runs its targets",
    "python -m pip": "installs from a registry",
    "tm browse": "serves until it is stopped; its own test runs it",
    "tm train": "is a plugin's; its own tests run it",
    "tm demo": "is shown in many places; one test below runs it",
}
if shutil.which("sqlite3") is None:
    NOT_OURS["sqlite3"] = "is not installed here"
# Offline, these commands must fail exactly because of missing weights.
NEEDS_A_NETWORK = {
    "tm analyze --model dino-b16 --model mae-b16 --metric attn-distance",
    "tm analyze --model dino-s16 --metric attn-distance",
}


# ---------------------------------------------------------------- the folder
def create_small(architecture: str, kwargs: Mapping[str, Any], seed: int = 0) -> Any:
    """Like ``models.networks.create``, with fewer tokens and narrow layers."""
    side = 56 if "patch14" in architecture else 64
    narrow = {"embed_dim": 96} if architecture.startswith("vit_") else {}
    return create(architecture, {**kwargs, **narrow, "img_size": side}, seed)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, name in enumerate(("checkpoint.pth", "epoch010.pth", "epoch100.pth")):
        torch.save(create_small("vit_small_patch16_224", {}, seed).state_dict(), folder / name)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for label, name in enumerate(("cats", "dogs")):
        (folder / name).mkdir()
        for number in range(6):
            fixtures.image(f"{name} {number}", label=label).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def folder(tmp_path: Path, checkpoints: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with all that a page may name, the bundled data sets and networks being small."""
    for path in checkpoints.iterdir():
        (tmp_path / path.name).symlink_to(path)
    shutil.copytree(pictures, tmp_path / "images")
    (study,) = (block.text for block in blocks(ROOT / "docs" / "studies.md") if block.title == "study.yaml")
    (tmp_path / "study.yaml").write_text(study, encoding="utf-8")
    shrink(monkeypatch)
    offline(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    monkeypatch.undo()
    forget_written()


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    from teachmatters.datasets.digits import Digits
    from teachmatters.datasets.photos import Photos
    from teachmatters.datasets.scenes import dataset as scenes
    from teachmatters.measures.representation import clusters
    from teachmatters.runner.estimate import throughput

    for dataset, most in ((Digits, 24), (Photos, 3)):

        def items(self: Any, kind: Kind, role: Role, most: int = most) -> Sequence[Item] | None:
            return list(self._items[:most]) if role == "all" else None

        monkeypatch.setattr(dataset, "items", items)
    whole = scenes._labelled
    monkeypatch.setattr(scenes, "_labelled", lambda split, count: whole(split, min(count, 24)))
    monkeypatch.setattr(demo, "MODELS", "mini-random")  # seven take minutes; 'make demo' is their test
    monkeypatch.setattr(demo, "EXPLORED", ("mini-random",))
    monkeypatch.setattr(demo, "LIMIT", 4)
    monkeypatch.setattr(throughput, "BATCHES", 2)
    monkeypatch.setattr(clusters, "STARTS", 2)
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda *words, **options: savefig(*words, **(options | {"dpi": 40})))
    for module in (networks, sources, timm_ids):
        monkeypatch.setattr(module, "create", create_small)


def offline(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    """As on a machine that never fetched anything."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(empty / "no cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(empty / "no cache either"))


# ---------------------------------------------------------------- running a line
def run(line: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a line, which may begin with NAME=VALUE."""
    words = shlex.split(line)
    if words[0] == "sqlite3" or {"|", ">", "&&"} & set(words):
        return in_a_shell(line)
    environment = {}
    while re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    assert words[0] == "tm", f"nobody knows how to run this line: {line}"
    answer = CliRunner().invoke(app, words[1:], env=environment, prog_name="tm")
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.exit_code, answer.stdout, answer.stderr


def in_a_shell(line: str) -> tuple[int, str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    surroundings = {**os.environ, "PATH": path}
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=surroundings)
    return answer.returncode, answer.stdout, answer.stderr


def check(line: str) -> None:
    if line.startswith(tuple(NOT_OURS)):
        return
    code, out, error = run(line)
    if line in NEEDS_A_NETWORK:
        assert code == 1
        assert "no weights for" in error
    else:
        assert code == 0, f"{line}\n{error}"
        assert out or error, line
        assert "Error" not in error


# ---------------------------------------------------------------- the pages
# Pages written by hand. The reference shows the examples of the help texts, which have a test below. The paper's page
# needs the paper's data: see tests/test_paper_page.py.
WRITTEN = [page for page in PAGES if page.parent.name != "reference" and page.name != "paper.md"]


GROUPS = {"scale.md": [pytest.mark.xdist_group("ray")]}  # two Rays at once would wait for each other


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name, marks=GROUPS.get(page.name, [])) for page in WRITTEN if any(commands(page))],
)
def test_the_commands_of_a_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(page.relative_to(ROOT).as_posix(), tmp_path, monkeypatch)
    for line in commands(page):
        written = re.fullmatch(r"python -m pip install -e (\S+)", line)
        if written and (tmp_path / written[1]).is_dir():
            install_written(tmp_path / written[1], monkeypatch)
        check(line)


def prepare(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page's reader has done before."""
    if page in REAL_PLUGINS:
        monkeypatch.setenv("TM_LOAD_PLUGINS", REAL_PLUGINS[page])
        registry.load.cache_clear()
        flowers(folder / "data" / "flowers")
    if page == "docs/gallery.md":
        (folder / "docs" / "images" / "results").mkdir(parents=True)
    if page == "docs/models.md":
        monkeypatch.setenv("TM_LOAD_PLUGINS", "teachmatters-hf")
        registry.load.cache_clear()
        small_vit(folder / "my-vit")
    if page == "docs/data.md":
        from teachmatters.datasets.imagenet50 import fifty_classes

        fixtures.imagenet50(folder / "data" / "imagenet", 1, list(fifty_classes()))


def small_vit(folder: Path) -> None:
    """A network of transformers as its users save it."""
    from transformers import ViTConfig, ViTModel

    shape: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    ViTModel(ViTConfig(**shape, image_size=32, patch_size=8)).save_pretrained(folder)


REAL_PLUGINS = {
    "docs/plugins/index.md": "tm-token-norm",
    "docs/plugins/model.md": "tm-token-norm",
    "docs/plugins/analysis.md": "teachmatters-head-specialisation",
    "docs/plugins/dataset.md": "teachmatters-flowers",
}


def flowers(folder: Path) -> None:
    """Twelve images in the layout of Oxford 102 Flowers."""
    from scipy.io import savemat

    (folder / "jpg").mkdir(parents=True)
    for number in range(12):
        image = fixtures.image(f"flower {number}", label=number % 3)
        image.save(folder / "jpg" / f"image_{number + 1:05}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": [[1, 2, 3] * 4]})
    savemat(folder / "setid.mat", {"trnid": [[1, 2, 3]], "valid": [[4, 5, 6]], "tstid": [[7, 8, 9, 10, 11, 12]]})


HELP = {name: command.help for name, command in COMMANDS.items() if "Examples:" in (command.help or "")}


def examples(text: str) -> list[str]:
    """The indented lines; a paragraph may follow."""
    return [line.strip() for line in text.partition("Examples:")[2].splitlines() if line.startswith(" ")]


ON_THE_PAGE = frozenset(commands(ROOT / "docs" / "commands.md"))  # the page's own test runs these lines
REST = {name: [line for line in examples(text) if line not in ON_THE_PAGE] for name, text in HELP.items()}


def test_every_command_shows_examples() -> None:
    groups = {"tm db", "tm cache", "tm plugin"}
    assert set(COMMANDS) - groups == set(HELP)
    assert all(examples(text) for text in HELP.values())


@pytest.fixture(scope="module")
def measured(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that has numbers of a model of its own, and the store's cache."""
    folder = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.chdir(folder)
        weights = f"--weights {checkpoints / 'checkpoint.pth'}"
        check(f"tm analyze --model dino-s16 {weights} --metric knn --metric attn-distance")
    return folder


@pytest.mark.parametrize("command", [name for name, lines in REST.items() if lines])
def test_the_examples_of_a_help_text(command: str, folder: Path, measured: Path) -> None:
    shutil.copytree(measured, folder, dirs_exist_ok=True)
    for line in REST[command]:
        check(line)


@pytest.mark.usefixtures("folder")
def test_the_demo_ends_with_a_figure_a_page_and_an_explorer(tmp_path: Path) -> None:
    code, out, error = run("tm demo --out somewhere/else")
    assert (code, "Error" in error) == (0, False), error
    assert "mini-random" in out
    folder = tmp_path / "somewhere/else"
    assert {path.name for path in folder.iterdir()} >= {"first.png", "report.html", "explorer.html", "results.db"}
    written = error[error.index("Wrote") :]
    assert len((out + written).splitlines()) <= 40
    for name in ("first.png", "report.html", "explorer.html"):
        assert name in written


def test_the_lists_of_exceptions_have_no_unused_line() -> None:
    shown = [line for page in PAGES for line in commands(page)] + [
        line for text in HELP.values() for line in examples(text)
    ]
    assert set(shown) >= NEEDS_A_NETWORK
    assert all(any(line.startswith(name) for line in shown) for name in NOT_OURS)
