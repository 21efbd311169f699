"""Tests of tar shards written by webdataset and tarfile, compared with the folder that they were made from."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from teachmatters.api import Dataset, DatasetRequest, Role
from teachmatters.datasets.folders.image_folder import ImageFolder, open_folder
from teachmatters.datasets.folders.shards import Shards
from teachmatters.datasets.folders.tar_members import sample_of
from teachmatters.datasets.imagenet import open_imagenet
from teachmatters.datasets.specs import FOLDER, IMAGENET
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.datasets import find_root
from tests.fixtures import image, imagenet


def opened(root: Path) -> Dataset:
    return open_folder(DatasetRequest(spec=FOLDER, root=root))


def listed(dataset: Dataset, role: Role = "all") -> list[tuple[str, int, int | None]]:
    return [(item.key, item.size, item.label) for item in dataset.items("images", role) or ()]


def pack(folder: Path, tar: Path, *parts: str) -> None:
    """A tar of a folder, or of some folders in it, its files in no particular order."""
    tar.parent.mkdir(parents=True, exist_ok=True)
    files = [path for part in parts or (".",) for path in (folder / part).rglob("*") if path.is_file()]
    with tarfile.open(tar, "w") as written:
        for path in sorted(files, key=lambda path: path.name[::-1]):
            written.add(path, f"./{path.relative_to(folder)}")


def jpeg(number: int) -> bytes:
    file = io.BytesIO()
    image(f"shard {number}", label=number % 3).save(file, "JPEG")
    return file.getvalue()


def samples(folder: Path, pattern: str, count: int, *, first: int = 0, **more: str) -> None:
    """Shards as webdataset's own writer makes them."""
    import webdataset

    folder.mkdir(exist_ok=True, parents=True)
    with webdataset.ShardWriter(str(folder / pattern), maxcount=4, verbose=0) as writer:
        for number in range(first, first + count):
            label = {"cls": number % 3} | more
            writer.write({"__key__": f"{number:05d}", "jpg": jpeg(number), **label})


@pytest.mark.parametrize("parts", [(), ("train",)])
def test_a_tar_of_a_folder_is_that_folder(parts: tuple[str, ...], tmp_path: Path) -> None:
    folder, tars = tmp_path / "folder", tmp_path / "tars"
    imagenet(folder, classes=3, train=4, val=2)
    pack(folder, tars / "one.tar", *parts)
    if parts:
        pack(folder, tars / "two.tar", "val")
    whole, packed = ImageFolder(folder), opened(tars)

    assert isinstance(packed, Shards)
    assert packed.classes == whole.classes
    assert packed.kinds == whole.kinds
    for role in ("all", "gallery", "queries"):
        assert listed(packed, role) == listed(whole, role)
    for item in packed.items("labels", "gallery") or ():
        assert packed.image(item).tobytes() == whole.image(item).tobytes()


def test_a_tar_in_a_folder_is_unpacked_there(tmp_path: Path) -> None:
    imagenet(tmp_path / "folder", classes=2, train=2, val=1)
    for part in ("train", "val"):
        for number, name in enumerate(sorted(path.name for path in (tmp_path / "folder" / part).iterdir())):
            pack(tmp_path / "folder" / part, tmp_path / "tars" / part / f"{number:04d}.tar", name)
    whole, packed = ImageFolder(tmp_path / "folder"), opened(tmp_path / "tars")
    assert listed(packed) == listed(whole)
    assert listed(packed, "gallery") == listed(whole, "gallery")


def odd_folder(folder: Path) -> None:
    """Hidden files and folders, extensions in capitals, dots, deep folders, a class called train, numbers, links."""
    for number, name in enumerate(
        ("10/a.JPG", "10/a.jpg", "2/b.v1.Jpeg", "2/deep/er/c.png", "2/.d.jpg", ".tmp/e.jpg", "bullet_train/f.jpg",
         "train/g.jpg", "test/h.jpg", "ü" * 60 + "/" + "i" * 120 + ".jpg", "2/notes.txt", "2/wrong.cls.txt")
    ):  # fmt: skip
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".txt":
            file.write_text("no image")
        else:
            image(name, label=number % 3).save(file)
    (folder / "10" / "again.jpg").symlink_to("../2/b.v1.Jpeg")
    (folder / "10" / "once-more.jpg").symlink_to("again.jpg")
    (folder / "10" / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "2" / "hard.jpg").hardlink_to(folder / "10" / "a.jpg")
    (folder / "2" / "empty.jpg").touch()


@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("inside", ["", "./"])
def test_a_tar_of_an_odd_folder_is_that_folder_too(layout: int, inside: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    odd_folder(folder)
    (tmp_path / "tars" / ".hidden").mkdir(parents=True)
    (tmp_path / "tars" / ".hidden" / "x.tar").write_text("no tar")
    with tarfile.open(tmp_path / "tars" / "odd.TAR", "w", format=layout) as tar:
        for path in folder.iterdir():
            tar.add(path, inside + path.name)
    whole, packed = opened(folder), opened(tmp_path / "tars")
    assert isinstance(packed, Shards)
    assert len(listed(whole)) == 13
    assert listed(packed) == listed(whole)
    assert packed.classes == whole.classes
    for item in whole.items("images", "all") or ():
        if item.key.endswith(("gone.jpg", "empty.jpg")):
            with pytest.raises(OSError, match=r"is empty, or a link to a file that is not in .*odd\.TAR"):
                packed.image(item)
        else:
            assert packed.image(item).tobytes() == whole.image(item).tobytes(), item.key


def test_circular_and_outside_links_in_a_tar_are_ignored(tmp_path: Path) -> None:
    image("secret").save(tmp_path / "secret.png")
    (tmp_path / "tars").mkdir()
    with tarfile.open(tmp_path / "tars" / "x.tar", "w") as tar:
        for name, target in (("a.png", "b.png"), ("b.png", "a.png"), ("c.png", "../secret.png")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        tar.add(tmp_path / "secret.png", "../up.png")
    dataset = opened(tmp_path / "tars")
    assert [(key, size) for key, size, _ in listed(dataset)] == [("a.png", 0), ("b.png", 0), ("c.png", 0)]


def test_the_last_of_two_entries_of_one_name_counts(tmp_path: Path) -> None:
    for name in ("old", "new"):
        image(name).save(tmp_path / f"{name}.png")
    (tmp_path / "tars").mkdir()
    for name in ("old", "new"):
        with tarfile.open(tmp_path / "tars" / "x.tar", "a") as tar:
            tar.add(tmp_path / f"{name}.png", "one.png")
    dataset = opened(tmp_path / "tars")
    (item,) = dataset.items("images", "all") or ()
    assert dataset.image(item).tobytes() == image("new").tobytes()


@pytest.mark.parametrize(
    ("tars", "parts"),
    [
        (("train/s", "test/s"), {"gallery": "train", "queries": "test", "all": "test"}),
        (("x-train-", "x-val-", "x-test-"), {"gallery": "train", "queries": "val", "all": "val"}),
        (("x-train-", "extra-"), {"all": ""}),
        (("bullet-train-", "bus-"), {"all": ""}),
        (("x-test-",), {"all": "test"}),
    ],
)
def test_splits_are_recognised_by_the_names_of_tars(
    tars: tuple[str, ...], parts: dict[Role, str], tmp_path: Path
) -> None:
    for number, name in enumerate(tars):
        samples((tmp_path / name).parent, f"{Path(name).name}%d.tar", 2, first=10 * number)
    dataset = opened(tmp_path)
    assert isinstance(dataset, Shards)
    assert dataset.parts == parts
    used = {key for role in parts for key, *_ in listed(dataset, role)}
    assert len(used) == 2 * (len(tars) if parts["all"] == "" else len(set(parts.values()))), "nothing is left out"
    assert all(dataset.image(item).size for item in dataset.items("images", "all") or ())


def test_webdataset_samples_have_the_class_of_their_cls_file(tmp_path: Path) -> None:
    samples(tmp_path, "imagenet1k-train-%04d.tar", 8)
    samples(tmp_path, "imagenet1k-validation-%02d.tar", 5, first=20)
    dataset = opened(tmp_path)

    assert dataset.classes == ["0", "1", "2"]
    assert [(key, label) for key, _, label in listed(dataset, "gallery")] == [
        (f"train/{number:05d}.jpg", number % 3) for number in range(8)
    ]
    assert [(key, label) for key, _, label in listed(dataset)] == [
        (f"val/{number:05d}.jpg", number % 3) for number in range(20, 25)
    ]
    assert dataset.split("labels") == "val"
    for item in dataset.items("labels", "all") or ():
        number = int(item.key[4:9])
        assert item.size == len(jpeg(number))
        assert dataset.image(item).tobytes() == Image.open(io.BytesIO(jpeg(number))).convert("RGB").tobytes()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # its own
def test_webdataset_reads_the_same_from_them(tmp_path: Path) -> None:
    import webdataset

    samples(tmp_path, "s-%04d.tar", 8)
    theirs = webdataset.WebDataset([str(path) for path in sorted(tmp_path.glob("*.tar"))], shardshuffle=False)
    told = {f"{sample['__key__']}.jpg": (len(sample["jpg"]), int(sample["cls"])) for sample in theirs}
    assert {key: (size, label) for key, size, label in listed(opened(tmp_path))} == told


def test_classes_get_their_names_from_a_list(tmp_path: Path) -> None:
    samples(tmp_path, "s-%04d.tar", 3)
    (tmp_path / "classnames.txt").write_text("cat\ndog\neel\nfox\n")
    dataset = opened(tmp_path)
    assert dataset.classes == ["cat", "dog", "eel", "fox"]
    assert [label for *_, label in listed(dataset)] == [0, 1, 2]
    (tmp_path / "classnames.txt").write_text("cat\ndog\n")
    with pytest.raises(TeachMattersError, match=r"names 2 classes, but a \.cls says 2"):
        opened(tmp_path)


def test_names_of_classes_may_be_words(tmp_path: Path) -> None:
    samples(tmp_path, "s-%04d.tar", 3, cls="wild cat")
    assert opened(tmp_path).classes == ["wild cat"]


def test_equal_names_in_two_tars_are_two_images(tmp_path: Path) -> None:
    samples(tmp_path, "a-%04d.tar", 2)
    samples(tmp_path, "b-%04d.tar", 2)
    dataset = opened(tmp_path)
    assert [key for key, *_ in listed(dataset)] == [f"{s}-0000/0000{n}.jpg" for s in "ab" for n in (0, 1)]
    assert len({dataset.image(item).tobytes() for item in dataset.items("images", "all") or ()}) == 2


def test_images_without_a_class_are_not_labelled(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    image("a").save(tmp_path / "in" / "a.png")
    pack(tmp_path / "in", tmp_path / "tars" / "x.tar")
    dataset = opened(tmp_path / "tars")
    assert dataset.kinds == {"images"}
    assert [(key, label) for key, _, label in listed(dataset)] == [("a.png", None)]
    with pytest.raises(TeachMattersError, match="no images in a folder per class"):
        open_imagenet(DatasetRequest(spec=IMAGENET, root=tmp_path / "tars"))


def test_imagenet_may_be_one_tar_and_other_archives_are_ignored(tmp_path: Path) -> None:
    imagenet(tmp_path / "data" / "imagenet", classes=2, train=2, val=1)
    pack(tmp_path / "data" / "imagenet", tmp_path / "tars" / "all.tar")
    assert find_root(IMAGENET, tmp_path / "tars") == tmp_path / "tars"
    packed = open_imagenet(DatasetRequest(spec=IMAGENET, root=tmp_path / "tars"))
    assert len(packed.items("labels", "gallery") or ()) == 4
    for part in ("train", "val"):
        (tmp_path / "data" / f"ILSVRC2012_img_{part}.tar").touch()
    assert find_root(IMAGENET, tmp_path / "data") == tmp_path / "data" / "imagenet"


def test_image_files_come_before_tars(tmp_path: Path) -> None:
    samples(tmp_path, "s-%04d.tar", 2)
    image("a").save(tmp_path / "a.png")
    assert isinstance(opened(tmp_path), ImageFolder)


def test_a_cut_tar_loses_its_last_image_only(tmp_path: Path) -> None:
    samples(tmp_path, "s-%04d.tar", 3)
    (tar,) = tmp_path.glob("*.tar")
    dataset = opened(tmp_path)
    *_, last = dataset.items("images", "all") or ()
    with tarfile.open(tar) as whole:
        end = max(member.offset_data for member in whole if member.name == last.key)
    tar.write_bytes(tar.read_bytes()[: end + 100])
    with pytest.raises(OSError, match="ends within 00002"):
        dataset.image(last)


@pytest.mark.parametrize("mode", ["w:gz", "no tar"])
def test_an_invalid_tar_is_a_one_line_error(mode: str, tmp_path: Path) -> None:
    if mode == "no tar":
        (tmp_path / "x.tar").write_bytes(b"something else" * 100)
    else:
        tarfile.open(tmp_path / "x.tar", mode).close()  # type: ignore[call-overload]
    with pytest.raises(TeachMattersError, match=r"x\.tar cannot be read as a tar file .* unpack it"):
        opened(tmp_path)


def test_tars_without_images_are_a_one_line_error(tmp_path: Path) -> None:
    tarfile.open(tmp_path / "x.tar", "w").close()
    with pytest.raises(TeachMattersError, match="no images in the tar files below"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "name", ["a/b.jpg", "b.seg.png", "v1.0/b.jpg", "v1.0/b", "b", "a/.b", ".jpg", "b.", "a.b/c.d/e.f.g"]
)
def test_sample_names_are_those_of_webdataset(name: str) -> None:
    from webdataset.tariterators import base_plus_ext

    assert sample_of(name) == (base_plus_ext(name)[0] or "")
