"""A small folder of the official layout, drawn here: what becomes of it, and what is said of a damaged one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from typer.testing import CliRunner, Result

from teachmatters import registry
from teachmatters.cli.app import app
from teachmatters.errors import TeachMattersError
from teachmatters.store import query
from teachmatters_flowers.dataset import Flowers, read

LABELS = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]
PARTS = {"trnid": [2, 9, 4], "valid": [6, 5, 7], "tstid": [12, 1, 3, 8, 10, 11]}


# --8<-- [start:folder]
@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve images of three colours, in the layout of the official files: rows (1, n) of small whole numbers."""
    folder = tmp_path / "data" / "flowers"
    (folder / "jpg").mkdir(parents=True)
    for number, label in enumerate(LABELS, start=1):
        colour = np.eye(3)[label - 1] * 200 + number
        Image.new("RGB", (40, 30), tuple(colour.astype(int))).save(folder / f"jpg/image_{number:05}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": np.array([LABELS], dtype=np.uint8)})
    savemat(folder / "setid.mat", {name: np.array([part], dtype=np.uint16) for name, part in PARTS.items()})
    return folder


# --8<-- [end:folder]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of all plugins that are installed, this one alone."""
    monkeypatch.setenv("TM_LOAD_PLUGINS", "teachmatters-flowers")
    monkeypatch.delenv("TM_DATA", raising=False)
    registry.load.cache_clear()
    yield
    monkeypatch.undo()
    registry.load.cache_clear()


def tm(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], catch_exceptions=False)


def test_the_plugin_is_found_without_problems() -> None:
    (plugin,) = [each for each in registry.load().plugins if not each.built_in]
    assert plugin.problems == []
    assert [spec.name for spec in plugin.specs["register_datasets"]] == ["flowers"]


@pytest.mark.parametrize(
    ("split", "queries", "gallery"),
    [("test", PARTS["tstid"], PARTS["trnid"] + PARTS["valid"]), ("val", PARTS["valid"], PARTS["trnid"])],
)
def test_the_splits_are_the_roles(root: Path, split: str, queries: list[int], gallery: list[int]) -> None:
    flowers = Flowers(root, split)
    for role, numbers in (("queries", queries), ("gallery", gallery), ("all", queries)):
        items = flowers.items("labels", role)  # type: ignore[arg-type]
        assert [item.key for item in items] == [f"jpg/image_{number:05}.jpg" for number in numbers]
        assert [item.label for item in items] == [LABELS[number - 1] - 1 for number in numbers]
        assert [item.size for item in items] == [(root / item.key).stat().st_size for item in items]
    assert flowers.classes == ["flower 1", "flower 2", "flower 3"]
    assert flowers.split("labels") == split


def test_an_image_belongs_to_its_number(root: Path) -> None:
    flowers = Flowers(root, "test")
    for item in flowers.items("images", "gallery"):
        image = flowers.image(item)
        assert image.mode == "RGB"
        assert np.asarray(image).mean(axis=(0, 1)).argmax() == item.label


def test_a_missing_image_has_no_size(root: Path) -> None:
    (root / "jpg/image_00003.jpg").unlink()
    missing = [item.key for item in Flowers(root, "test").items("labels", "all") if item.size == 0]
    assert missing == ["jpg/image_00003.jpg"]


# --8<-- [start:user]
def test_a_user_looks_at_it_and_measures(root: Path, tmp_path: Path) -> None:
    shown = tm("datasets", "flowers", "--data-root", str(root.parent)).stdout
    assert "imagelabels.mat" in shown
    assert "Nilsback" in shown
    db = tmp_path / "results.db"
    words = ("--model", "mini-random", "--data", "flowers", "--data-root", str(root.parent), "--db", str(db))
    assert tm("analyze", "--metric", "knn", "--param", "k=1", *words).exit_code == 0
    rows = query(db, "SELECT split, n, value FROM results WHERE metric = 'knn-top1' AND category IS NULL").rows
    assert {(split, n) for split, n, _ in rows} == {("test", 6)}
    assert max(value for _, _, value in rows) == 100  # three plain colours, even to an untrained network


# --8<-- [end:user]


def refused(root: Path) -> str:
    """What a user is told: one line."""
    answer = tm("datasets", "flowers", "--data-root", str(root))
    assert answer.exit_code == 1
    with pytest.raises(TeachMattersError) as caught:
        Flowers(root, "test")
    assert answer.stderr == f"Error: {caught.value}\n"
    return str(caught.value)


# --8<-- [start:damaged]
@pytest.mark.parametrize("name", ["imagelabels.mat", "setid.mat"])
@pytest.mark.parametrize("kept", [0, 60, 130, 200])
def test_a_truncated_file_is_a_one_line_error(root: Path, name: str, kept: int) -> None:
    path = root / name
    path.write_bytes(path.read_bytes()[:kept])
    assert f"in {path} (" in refused(root)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("imagelabels.mat", {"other": [[1]]}, "'labels'"),
        ("imagelabels.mat", {"labels": [[0] * 12]}, "whole numbers from 1"),
        ("imagelabels.mat", {"labels": [[1.5] * 12]}, "whole numbers from 1"),
        ("imagelabels.mat", {"labels": "words"}, "labels"),
        ("imagelabels.mat", {"labels": np.zeros((1, 0))}, "whole numbers from 1"),
        ("imagelabels.mat", {"labels": [LABELS[:5]]}, "more images than the 5"),
        ("setid.mat", {name: PARTS[name] for name in ("trnid", "valid")}, "'tstid'"),
    ],
)
def test_a_file_with_other_contents_is_a_one_line_error(
    root: Path, name: str, content: dict[str, object], told: str
) -> None:
    savemat(root / name, content)
    assert told in refused(root)


# --8<-- [end:damaged]


@pytest.mark.parametrize("length", [1, 40, 300])
def test_random_bytes_are_a_one_line_error(tmp_path: Path, length: int) -> None:
    for seed in range(40):
        path = tmp_path / "setid.mat"
        path.write_bytes(np.random.default_rng(seed).bytes(length))
        with pytest.raises(TeachMattersError, match="fetch it again"):
            read(path, "trnid")


def test_damaged_compression_and_other_versions_are_one_line_errors(tmp_path: Path) -> None:
    path = tmp_path / "setid.mat"
    savemat(path, PARTS, do_compression=True)
    whole = path.read_bytes()
    for damaged in (whole[:140] + b"?" * 8 + whole[148:], whole[:124] + b"\x00\x02IM" + whole[128:]):
        path.write_bytes(damaged)
        with pytest.raises(TeachMattersError, match="fetch it again"):
            read(path, *PARTS)


def test_a_missing_file_is_an_error_with_the_layout(root: Path) -> None:
    (root / "setid.mat").unlink()
    answer = tm("datasets", "flowers", "--data-root", str(root))
    assert "setid.mat" in answer.output
    answer = tm("analyze", "--model", "mini-random", "--metric", "knn", "--data", "flowers", "--data-root", str(root))
    assert answer.exit_code == 1
    assert "missing: setid.mat" in answer.stderr
    assert answer.stderr.count("\n") == 1
