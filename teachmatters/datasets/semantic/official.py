"""PASCAL VOC 2012 and ADE20K in their official layouts."""

from __future__ import annotations

from pathlib import Path

from teachmatters.api import DatasetRequest
from teachmatters.datasets.folders.listing import entries
from teachmatters.datasets.images import is_image
from teachmatters.datasets.semantic.masked_images import MaskedImages
from teachmatters.errors import TeachMattersError, listing

VOC_CLASSES = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]
# The first name of each of the 150 classes, in the release's order.
ADE20K_LIST = Path(__file__).with_name("ade20k.txt")


def open_voc(request: DatasetRequest) -> MaskedImages:
    """Open the segmentation images of PASCAL VOC 2012: gallery train, queries val, in the order of the lists.

    Raises:
        TeachMattersError: there is no root, or a list cannot be read or names no image.
    """
    if request.root is None:
        raise TeachMattersError("voc needs the folder VOCdevkit, which holds VOC2012/; name it with --data-root DIR")
    root = request.root / "VOC2012" if (request.root / "VOC2012").is_dir() else request.root
    gallery, queries = (_voc_list(root / "ImageSets" / "Segmentation" / f"{part}.txt") for part in ("train", "val"))
    return MaskedImages(
        root,
        {"queries": queries, "gallery": gallery},
        lambda key: f"SegmentationClass/{Path(key).stem}.png",
        VOC_CLASSES,
        split="val",
    )


def _voc_list(path: Path) -> list[str]:
    try:
        names = path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise TeachMattersError(f"cannot read {path} ({error}); unpack VOCtrainval_11-May-2012.tar again") from None
    strange = [name for name in names if name.startswith(".") or set(name) & set("/\\")]
    if strange or not names:
        wrong = f"names {listing(strange, 3)}, which is no image" if strange else "names no image"
        raise TeachMattersError(f"{path} {wrong}; unpack VOCtrainval_11-May-2012.tar again")
    return [f"JPEGImages/{name}.jpg" for name in dict.fromkeys(names)]


def open_ade20k(request: DatasetRequest) -> MaskedImages:
    """Open the images of ADE20K's scene parsing benchmark by name: gallery training, queries validation.

    Raises:
        TeachMattersError: there is no root, or a split has no image.
    """
    if request.root is None:
        raise TeachMattersError("ade20k needs the folder ADEChallengeData2016; name it with --data-root DIR")
    root = request.root
    gallery, queries = (_images(root, f"images/{part}") for part in ("training", "validation"))
    return MaskedImages(
        root,
        {"queries": queries, "gallery": gallery},
        lambda key: Path("annotations", *Path(key).parts[1:]).with_suffix(".png").as_posix(),
        ADE20K_LIST.read_text(encoding="utf-8").splitlines(),
        first=1,
        split="validation",
    )


def _images(root: Path, folder: str) -> list[str]:
    names = sorted(entry.name for entry in entries(root / folder) if is_image(entry.name))
    if not names:
        raise TeachMattersError(f"{root / folder} holds no images; unpack ADEChallengeData2016.zip again")
    return [f"{folder}/{name}" for name in names]
