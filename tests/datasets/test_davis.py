from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teachmatters.api import DatasetRequest, Kind
from teachmatters.datasets.davis import VAL, Davis, open_davis
from teachmatters.datasets.images import read_index_mask
from teachmatters.datasets.task_specs import DAVIS
from teachmatters.errors import TeachMattersError
from tests import annotated


@pytest.fixture
def root(tmp_path: Path) -> Path:
    annotated.davis(tmp_path / "DAVIS", frames=3)
    return tmp_path / "DAVIS"


def opened(root: Path | None) -> Davis:
    return open_davis(DatasetRequest(spec=DAVIS, root=root))


def test_videos_in_the_lists_order_frames_by_name(root: Path) -> None:
    (root / VAL).write_text("clip1\n\nclip0\n")
    dataset = opened(root)
    items = dataset.items("videos", "all") or []
    assert [item.key for item in items] == [
        f"JPEGImages/480p/{video}/{frame:05d}.jpg" for video in ("clip1", "clip0") for frame in range(3)
    ]
    assert [(item.group, item.units) for item in items] == [("clip1", (0,))] * 3 + [("clip0", (1,))] * 3
    assert dataset.image(items[0]).size == (320, 240)
    assert [item.units for item in dataset.items("images", "all") or []] == [None] * 6
    assert (dataset.split("videos"), len(dataset.annotation_files("videos"))) == ("val", 6)


def test_masks_hold_numbers_of_objects_and_void(root: Path) -> None:
    dataset = opened(root)
    first, second = (dataset.items("videos", "all") or [])[3:5]
    assert np.unique(dataset.annotations(first, "videos")["mask"].pixels).tolist() == [0, 1, 2]
    mask = dataset.annotations(second, "videos")["mask"].pixels
    assert np.unique(mask).tolist() == [0, 1, 2, 255]
    assert (mask.dtype, mask.shape) == (np.uint8, (240, 320))
    (root / "Annotations" / "480p" / "clip1" / "00001.png").unlink()
    assert opened(root).annotations(second, "videos") == {}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 4), 300, np.uint16), "it holds 300; the numbers of a mask go from 0 to 254"),
        (np.zeros((4, 4, 3), np.uint8), "mode RGB"),
    ],
)
def test_a_file_that_is_not_a_mask_is_refused(array: np.ndarray, words: str, tmp_path: Path) -> None:
    Image.fromarray(array).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=words):
        read_index_mask(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("names", "words"),
    [("", "names no video"), ("clip0\ngone\n", "names gone, not in"), ("../DAVIS\n", r"names \.\./DAVIS, not in")],
)
def test_an_unlisted_video_is_a_one_line_error(names: str, words: str, root: Path) -> None:
    (root / VAL).write_text(names)
    with pytest.raises(TeachMattersError, match=words):
        opened(root)


def test_an_empty_video_and_a_missing_list_are_one_line_errors(root: Path) -> None:
    shutil.rmtree(root / "JPEGImages" / "480p" / "clip0")
    (root / "JPEGImages" / "480p" / "clip0").mkdir()
    with pytest.raises(TeachMattersError, match="clip0 holds no frames"):
        opened(root)
    (root / VAL).unlink()
    with pytest.raises(TeachMattersError, match=r"cannot read .*val\.txt"):
        opened(root)
    with pytest.raises(TeachMattersError, match="folder DAVIS"):
        opened(None)


def remarks(dataset: Davis, kind: Kind = "videos") -> list[str]:
    return list(dataset.remarks(kind, {"all": dataset.items(kind, "all") or []}))


def test_a_complete_data_set_has_no_remarks(root: Path) -> None:
    assert remarks(opened(root)) == remarks(opened(root), "images") == []


def test_a_lost_image_is_an_unreadable_item(root: Path) -> None:
    whole = [item.key for item in opened(root).items("videos", "all") or []]
    (root / "JPEGImages/480p/clip0/00001.jpg").unlink()
    dataset = opened(root)
    items = dataset.items("videos", "all") or []
    assert [item.key for item in items] == whole
    assert [item.key for item in items if not item.size] == ["JPEGImages/480p/clip0/00001.jpg"]
    assert remarks(dataset) == ["frames that are not there: JPEGImages/480p/clip0/00001.jpg"]
    with pytest.raises(OSError, match="00001"):
        dataset.image(items[1])


@pytest.mark.parametrize("frame", [0, 1])
def test_a_frame_lost_with_its_mask_is_reported(frame: int, root: Path) -> None:
    (root / f"JPEGImages/480p/clip1/{frame:05d}.jpg").unlink()
    (root / f"Annotations/480p/clip1/{frame:05d}.png").unlink()
    assert remarks(opened(root)) == [f"frames that are not there: JPEGImages/480p/clip1/{frame:05d}.jpg"]


def test_a_lost_mask_is_reported_where_masks_are_used(root: Path) -> None:
    (root / "Annotations/480p/clip1/00002.png").unlink()
    shutil.rmtree(root / "Annotations/480p/clip0")
    told = "masks that are not there: " + ", ".join(f"Annotations/480p/clip0/{n:05d}.png" for n in range(3))
    assert remarks(opened(root)) == [f"{told}, Annotations/480p/clip1/00002.png"]
    assert remarks(opened(root), "images") == []


def test_only_the_videos_that_are_used_count(root: Path) -> None:
    (root / "Annotations/480p/clip1/00002.png").unlink()
    dataset = opened(root)
    first = [item for item in dataset.items("videos", "all") or [] if item.group == "clip0"]
    assert dataset.remarks("videos", {"all": first}) == []


def test_the_list_may_begin_with_a_byte_order_mark(root: Path) -> None:
    (root / VAL).write_bytes(b"\xef\xbb\xbfclip1\r\nclip0\r\n")
    assert [item.group for item in opened(root).items("videos", "all") or []] == ["clip1"] * 3 + ["clip0"] * 3
