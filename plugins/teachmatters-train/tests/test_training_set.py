from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teachmatters import registry
from teachmatters.api.progress import NoProgress
from teachmatters.errors import TeachMattersError
from teachmatters_train import training_set
from teachmatters_train.training_set import Source, gather


class Said(NoProgress):
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, label: str, total: int) -> None:
        self.said.append(f"begin {label} {total}")


def source(name: str, root: Path | None = None, limit: int | None = None) -> Source:
    return Source(spec=registry.load().dataset(name), root=root, parameters={}, limit=limit)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of four images in one colour each."""
    for label, name in enumerate(("cats", "dogs")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (80, 70), (40 * number, 100 * label, 7)).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"


def test_images_labels_and_captions_go_together(images: Path, tmp_path: Path) -> None:
    found, _ = gather(source("folder", images), "labels", tmp_path, Said())
    assert found.images.shape == (4, 3, 64, 64)  # every other one: the rest are k-NN's queries
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.images[:, :, 30, 30].tolist() == [[0, 0, 7], [80, 0, 7], [0, 100, 7], [80, 100, 7]]
    assert found.captions[0] == "an image of a cats"
    assert found.classes == 2


def test_images_are_drawn_once(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Said(), Said()
    once, name = gather(source("folder", images), "", tmp_path, first)
    monkeypatch.setattr(training_set, "_draw", None)
    again, same = gather(source("folder", images), "", tmp_path, second)
    assert name == same
    assert np.array_equal(once.images, again.images)
    assert first.said[-1] == "begin preparing 4"
    assert second.said == []
    assert not list(tmp_path.glob("*.part*"))


def test_other_images_have_another_file(images: Path, tmp_path: Path) -> None:
    names = {gather(source("folder", images, limit), "", tmp_path, Said())[1] for limit in (None, 3, 2)}
    assert len(names) == 3
    assert len(list(tmp_path.glob("images-*.npy"))) == 3


def test_an_unreadable_image_is_excluded_everywhere(images: Path, tmp_path: Path) -> None:
    (images / "cats" / "2.png").write_bytes(b"no image")
    for display in (Said(), Said()):  # drawn, and read again
        found, _ = gather(source("folder", images), "labels", tmp_path, display)
        assert display.said[-1] == "1 of 4 images could not be read and are skipped"
        assert found.images[:, :, 0, 0].tolist() == [[0, 0, 7], [0, 100, 7], [80, 100, 7]]
        assert found.labels is not None
        assert found.labels.tolist() == [0, 1, 1]


def test_a_set_without_images_is_a_one_line_error(images: Path, tmp_path: Path) -> None:
    for path in images.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(TeachMattersError, match="can be read; nothing to train on"):
        gather(source("folder", images), "", tmp_path, Said())


@pytest.mark.parametrize(("needs", "words"), [("labels", "has no labels here"), ("captions", "has no captions here")])
def test_missing_labels_or_captions_are_errors(needs: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match=f"data set 'photos' {words}"):
        gather(source("photos"), needs, tmp_path, Said())


def test_methods_without_labels_take_any_images(tmp_path: Path) -> None:
    found, _ = gather(source("photos", limit=3), "", tmp_path, Said())
    assert found.labels is None
    assert len(found.images) == 3


def test_two_processes_draw_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    alone, _ = gather(source("digits", limit=130), "", tmp_path / "one", Said())
    monkeypatch.setattr(training_set, "MANY", 100)
    (tmp_path / "two").mkdir()
    together, _ = gather(source("digits", limit=130), "", tmp_path / "two", Said())
    assert np.array_equal(alone.images, together.images)
