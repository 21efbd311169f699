"""Tests of ``tm visualize``: which files it writes, what it prints, and what it never overwrites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app

pytestmark = pytest.mark.usefixtures("toys")


def tm(*words: object) -> Result:
    return CliRunner().invoke(app, ["visualize", *map(str, words)])


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "cat.png")
    return tmp_path


def test_three_figures_of_an_image(here: Path) -> None:
    answer = tm("cat.png", "--model", "toy-a")
    assert answer.exit_code == 0, answer.output
    assert answer.stdout == ""
    names = [f"cat.toy-a.{kind}.png" for kind in ("layers-heads-cls", "heads-positions-layer3", "layers-positions")]
    assert answer.stderr.splitlines() == [f"Drew attention/{name}" for name in names]
    assert files(here / "attention") == sorted(names)
    assert files(here) == ["attention", "cat.png"]


def test_a_label_that_is_too_long_for_a_file_name_is_shortened(here: Path) -> None:
    labels = ["é" * 300 + end for end in "ab"]
    words = [word for label in labels for word in ("--model", f"{label}=toy-a")]
    answer = tm("cat.png", *words, "--grid", "layers-positions")
    assert answer.exit_code == 0, answer.output
    names = files(here / "attention")
    assert [len(name.encode()) for name in names] in ([254, 254], [255, 255])
    assert all(name.startswith("cat.éé") and name.endswith(".layers-positions.png") for name in names)
    assert len(set(names)) == 2


def test_the_chosen_layers_and_heads_are_drawn(here: Path) -> None:
    words = ("--layers", "1-2", "--heads", "3", "--positions", "top, 2:3,diagonal", "--out", "a/b")
    answer = tm("cat.png", "--model", "mine=toy-a", "--grid", "layers-heads", *words)
    assert answer.stderr == "Drew a/b/cat.mine.layers-heads-top.png\n"
    assert tm("cat.png", "--model", "toy-a", "--grid", "heads-positions", *words).exit_code == 0
    assert files(here / "a" / "b")[1] == "cat.toy-a.heads-positions-layer2.png"


def test_one_bad_image_and_one_bad_model_do_not_stop_the_others(here: Path) -> None:
    (here / "bad.png").write_text("no image")
    answer = tm("cat.png", "bad.png", "-m", "toy-a", "-m", "toy-broken", "-m", "toy-b", "--grid", "layers-positions")
    assert answer.exit_code == 1
    assert answer.stdout == ""
    drawn = "Drew attention/cat.toy-a.layers-positions.png", "Drew attention/cat.toy-b.layers-positions.png"
    assert tuple(answer.stderr.splitlines()[:2]) == drawn
    failed = answer.stderr.splitlines()[2:]
    assert failed[0].startswith("failed bad.png: 'bad.png' cannot be read as an image: ")
    assert failed[1:] == ["failed toy-broken: toy-broken is broken"]


def test_a_folder_means_its_images_except_our_own_figures(here: Path) -> None:
    for name in ("pets/dog.png", "pets/.hidden.png", "pets/below/deep.png"):
        photo(here / name)
    (here / "pets" / "notes.txt").write_text("notes")
    for _ in range(2):
        answer = tm("pets", "pets/dog.png", "--model", "toy-a", "--grid", "layers-positions", "--out", "pets")
        assert answer.stderr == "Drew pets/dog.toy-a.layers-positions.png\n"
    (here / "empty").mkdir()
    refused(tm("empty", "--model", "toy-a"), "folder 'empty' has no image directly in it")


def test_images_of_the_same_name_get_different_files(here: Path) -> None:
    paths = [photo(here / name) for name in ("cats/0.png", "dogs/0.png")]
    answer = tm(*paths, "--model", "toy-b", "--grid", "layers-heads")
    assert answer.exit_code == 0
    assert files(here / "attention") == [f"{pet}-0.png.toy-b.layers-heads-cls.png" for pet in ("cats", "dogs")]


def test_nothing_else_is_overwritten(here: Path) -> None:
    target = photo(here / "attention" / "cat.toy-a.layers-positions.png")
    before = target.read_bytes()
    answer = tm("cat.png", "--model", "toy-a", "--grid", "layers-positions")
    refused(answer, "is not a figure of this command and would be overwritten; use another --out")
    assert target.read_bytes() == before
    assert tm("cat.png", "--model", "toy-a", "--grid", "layers-heads").exit_code == 0
    again = tm("cat.png", "--model", "toy-a", "--grid", "layers-heads")
    assert (again.exit_code, again.stderr) == (0, "Drew attention/cat.toy-a.layers-heads-cls.png\n")


def test_two_models_with_one_file_name_are_an_error(here: Path) -> None:
    answer = tm("cat.png", "-m", "a/b=toy-a", "-m", "a-b=toy-b", "--grid", "layers-positions")
    assert answer.exit_code == 1
    assert "Drew attention/cat.a-b.layers-positions.png\nfailed cat.png in a-b: " in answer.stderr
    assert "was just written and would be overwritten" in answer.stderr


def test_impossible_requests_are_one_line_errors(here: Path) -> None:
    (here / "taken").write_text("a file")
    refused(tm("nowhere.png", "--model", "toy-a"), "no image 'nowhere.png': there is no such file")
    refused(tm("cat.png", "--model", "toy-z"), "unknown model 'toy-z'")
    refused(tm("cat.png", "--model", "toy-a", "--layers", "13"), "--layers 13: toy-a has layers 1 to 3")
    refused(tm("cat.png", "--model", "toy-a", "--heads", "2-4"), "--heads 4: toy-a has heads 1 to 3")
    refused(tm("cat.png", "--model", "toy-a", "--layers", "0"), "--layers 0: numbers must be from 1")
    refused(tm("cat.png", "--model", "toy-a", "--positions", "centre"), "Did you mean 'center'?")
    refused(tm("cat.png", "--model", "toy-bare", "--positions", "cls"), "unknown position 'cls'")
    refused(tm("cat.png", "--model", "toy-a", "--out", "taken"), "--out 'taken' is a file; name a folder")
    refused(tm("cat.png", "--model", "toy-a", "--out", "taken/b"), "--out 'taken/b'")
    assert tm("cat.png").exit_code == 2
    assert tm("cat.png", "--model", "toy-a", "--grid", "heads-heads").exit_code == 2
    assert tm("cat.png", "--model", "toy-a", "--layers", "x").exit_code == 2
    assert files(here) == ["cat.png", "taken"]


def test_a_photograph_is_rotated_by_its_orientation_tag(here: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn
    (here / "tagged").mkdir()
    Image.open("cat.png").rotate(90, expand=True).save("tagged/cat.png", exif=exif)
    for name, out in (("cat.png", "a"), ("tagged/cat.png", "b")):
        assert tm(name, "--model", "toy-a", "--grid", "layers-heads", "--out", out).exit_code == 0
    one, two = (np.asarray(Image.open(here / out / "cat.toy-a.layers-heads-cls.png")) for out in "ab")
    assert np.array_equal(one, two)


def test_components_and_similarity_of_all_images_together(here: Path) -> None:
    photo(here / "dog.png")
    answer = tm("cat.png", "dog.png", "--model", "toy-a", "--view", "pca", "--foreground")
    assert answer.stderr == "Drew pca/cat+1.toy-a.pca-foreground.png\n"
    answer = tm("cat.png", "dog.png", "--model", "toy-a", "--view", "similarity", "--at", "2:3", "--scale", "own")
    assert answer.stderr == "Drew similarity/cat+1.toy-a.similarity-2-3.png\n"
    refused(tm("cat.png", "--model", "toy-a", "--view", "similarity", "--at", "5:1"), "Patches of toy-a: top, left,")


def test_an_explorer_of_two_models_leaves_out_an_image_that_cannot_be_read(here: Path) -> None:
    (here / "bad.png").write_text("no image")
    answer = tm("cat.png", "bad.png", "-m", "toy-a", "-m", "toy-b", "--html", "explorer.html")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Wrote explorer.html\nfailed bad.png: ")
    assert '"images":["cat"],' in (here / "explorer.html").read_text("utf-8")
    refused(tm("bad.png", "-m", "toy-a", "--html", "other.html"), "cannot be read as an image")
    refused(tm("cat.png", "-m", "toy-a", "--html", "nowhere/a.html"), "is in a folder that does not exist")
    assert not (here / "other.html").exists()


@pytest.mark.parametrize(("words", "message"), [
    (("--at", "1:1"), "--at has no effect with --view attention: use it with --view similarity, or leave it out"),
    (("--view", "pca", "--heads", "1"), "--heads has no effect with --view pca"),
    (("--html", "a.html", "--out", "maps"), "--out has no effect with --html"),
    (("--view", "similarity", "--scale", "uniform"), "use own or shared for this view"),
])  # fmt: skip
def test_an_option_without_effect_is_refused(words: tuple[str, ...], message: str) -> None:
    refused(tm("cat.png", "--model", "toy-a", *words), message)
