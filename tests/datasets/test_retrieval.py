from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from teachmatters.api import Box, DatasetRequest
from teachmatters.datasets.retrieval import Landmarks, open_landmarks
from teachmatters.datasets.task_specs import ROXFORD5K
from teachmatters.errors import TeachMattersError
from tests import annotated
from tests.fixtures import image
from tests.measuring import measure, task


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retrieval")
    annotated.retrieval(folder, n=12, q=3)
    return folder / "roxford5k"


def opened(root: Path | None) -> Landmarks:
    return open_landmarks(DatasetRequest(spec=ROXFORD5K, root=root))


def written(folder: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "imlist": ["a", "b", "c"],
        "qimlist": ["q"],
        "gnd": [{"bbx": [1, 2, 30.5, 40], "easy": [0], "hard": [2], "junk": []}],
    }
    folder.mkdir(exist_ok=True)
    (folder / "gnd_roxford5k.pkl").write_bytes(pickle.dumps({**content, **changes}))
    return folder


def test_gallery_and_queries_in_the_order_of_the_lists(root: Path) -> None:
    dataset = opened(root)
    gallery, queries = dataset.items("retrieval", "gallery") or [], dataset.items("retrieval", "queries") or []
    assert [item.key for item in gallery] == [f"jpg/im_{i:04d}.jpg" for i in range(12)]
    assert [item.key for item in queries] == [f"jpg/q_{i:02d}.jpg" for i in range(3)]
    assert dataset.image(queries[0]).size == (220, 300)
    assert gallery[3].size == (root / "jpg" / "im_0003.jpg").stat().st_size
    assert dataset.items("images", "all") == gallery
    assert dataset.items("retrieval", "all") == [*queries, *gallery]
    assert dataset.items("images", "gallery") is None
    assert dataset.annotation_files("retrieval") == [root / "gnd_roxford5k.pkl"]


def test_positives_and_junk_of_a_query(tmp_path: Path) -> None:
    dataset = opened(written(tmp_path / "a"))
    query = (dataset.items("retrieval", "queries") or [])[0]
    expected = {"box": Box(1, 2, 30.5, 40), "easy": (0,), "hard": (2,), "junk": ()}
    assert dataset.annotations(query, "retrieval") == expected
    assert dataset.annotations((dataset.items("retrieval", "gallery") or [])[0], "retrieval") == {}


def test_a_query_that_is_also_in_the_gallery_is_another_item(tmp_path: Path) -> None:
    dataset = opened(written(tmp_path / "a", qimlist=["b"]))
    image("b").save(tmp_path / "b.jpg")
    (tmp_path / "a" / "jpg").mkdir()
    (tmp_path / "b.jpg").rename(tmp_path / "a" / "jpg" / "b.jpg")
    query, other = (dataset.items("retrieval", "queries") or [])[0], (dataset.items("retrieval", "gallery") or [])[1]
    assert query.key != other.key
    assert dataset.image(query).tobytes() == dataset.image(other).tobytes()
    assert dataset.annotations(query, "retrieval")["easy"] == (0,)
    assert dataset.annotations(other, "retrieval") == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imlist": None}, "TypeError"),
        ({"imlist": ["../../secret"]}, r"'\.\./\.\./secret' is not the name of an image"),
        ({"qimlist": ["/etc/passwd"]}, "'/etc/passwd' is not the name of an image"),
        ({"qimlist": ["q", "r"]}, "2 queries, but gnd for 1"),
        ({"imlist": ["a", "b", "a"]}, "twice"),
        ({"gnd": [{"bbx": [1, 2, 3, 4], "easy": [3], "hard": [], "junk": []}]}, "outside of imlist, which holds 3"),
        ({"gnd": [{"bbx": [1, 2, 3], "easy": [], "hard": [], "junk": []}]}, "bottom"),
        ({"gnd": [{"bbx": [1, 2, 3, 4], "ok": [], "junk": []}]}, "it has no 'easy'"),
        ({"gnd": [{"bbx": [1, 2, 3, float("nan")]}]}, "a box"),
        ({"gnd": [{"bbx": [1, 2, 3, 10**400]}]}, "OverflowError"),
        ({"gnd": [{"bbx": [1, 2, 3, 4], "easy": [float("inf")]}]}, "OverflowError"),
        ({"imlist": [["x"] * 10_000]}, "is not the ground truth"),
    ],
)
def test_an_invalid_ground_truth_is_a_one_line_error(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match=words) as error:
        opened(written(tmp_path / "a", **changes))
    assert len(str(error.value)) < 600


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(TeachMattersError, match=r"jpg/ and gnd_roxford5k\.pkl"):
        opened(None)


@pytest.mark.usefixtures("toys")
def test_a_missing_query_is_excluded_and_named(tmp_path: Path) -> None:
    annotated.retrieval(tmp_path, n=12, q=3)
    whole = measure(task("retrieval", "roxford5k", root=tmp_path))
    (tmp_path / "roxford5k" / "jpg" / "q_01.jpg").unlink()
    wanted = task("retrieval", "roxford5k", root=tmp_path)
    (item,) = [item for item in wanted.items["queries"] if not item.size]
    assert item.key == "jpg/q_01.jpg"
    result = measure(wanted)
    units = {(each.name, each.layer): dict(zip(each.units or (), each.array, strict=True)) for each in whole.maps}
    for each in result.maps:
        assert each.units is not None
        assert "jpg/q_01.jpg" not in each.units
        before = units[each.name, each.layer]
        assert each.array.tolist() == [before[unit] for unit in each.units]
    assert {record.n for record in result.records} == {2}


@pytest.mark.usefixtures("toys")
def test_a_box_outside_its_image_is_an_error_with_both_sizes(tmp_path: Path) -> None:
    annotated.retrieval(tmp_path, n=12, q=3)
    image("turned", 100, 80).save(tmp_path / "roxford5k" / "jpg" / "q_00.jpg")
    with pytest.raises(
        TeachMattersError, match=r"q_00\.jpg is 100 x 80 pixels, but its box reaches from \(10, 10\) to"
    ):
        measure(task("retrieval", "roxford5k", root=tmp_path))
