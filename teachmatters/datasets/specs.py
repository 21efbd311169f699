"""The specs of the data sets that come with teachmatters."""

from __future__ import annotations

from teachmatters.api import DatasetSpec, Kind, Parameter
from teachmatters.datasets.task_specs import TASK_DATASETS
from teachmatters.hookspecs import hookimpl

IMAGES: frozenset[Kind] = frozenset({"images"})
LABELLED: frozenset[Kind] = frozenset({"images", "labels"})

EVERYTHING: frozenset[Kind] = LABELLED | {"masks", "parts", "semantic", "retrieval", "videos", "pairs"}

IMAGENET_SOURCE = "image-net.org, ILSVRC 2012 classification (registration needed)"
IMAGENET_LICENCE = "non-commercial research and education"
IMAGENET_CITATION = "Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015"


@hookimpl
def register_datasets() -> list[DatasetSpec]:
    """Return the specs of all built-in data sets."""
    return [SCENES, PHOTOS, DIGITS, FOLDER, IMAGENET, IMAGENET50, COCO, PARTIMAGENET, *TASK_DATASETS]


SCENES = DatasetSpec(
    name="scenes",
    summary="generated images of twelve categories of articulated objects, with complete annotations",
    kinds=EVERYTHING,
    factory="teachmatters.datasets.scenes.dataset:open_scenes",
    parameters=(
        Parameter(name="size", kind="int", default=64, minimum=32, maximum=1024, summary="pixels of an image's side"),
        Parameter(name="world", kind="int", default=0, minimum=0, maximum=2**31 - 1, summary="seed of the data set"),
        Parameter(name="train", kind="int", default=1200, minimum=1, maximum=10**8, summary="images of train"),
        Parameter(name="val", kind="int", default=600, minimum=1, maximum=10**8, summary="images of val"),
    ),
    bundled=True,
    layout="generated on request; no files",
    source="part of teachmatters",
    licence="that of teachmatters",
    citation="none",
)

PHOTOS = DatasetSpec(
    name="photos",
    summary="the photographs that come with scikit-image and scikit-learn",
    kinds=IMAGES,
    factory="teachmatters.datasets.photos:open_photos",
    bundled=True,
    layout="files inside the installed packages skimage and sklearn",
    source="scikit-image.org and scikit-learn.org",
    licence="public domain, CC0 or CC BY, see skimage/data/README.txt and sklearn/datasets/images/README.txt",
    citation="van der Walt et al., scikit-image, PeerJ 2014; Pedregosa et al., scikit-learn, JMLR 2011",
)

DIGITS = DatasetSpec(
    name="digits",
    summary="1,797 labelled handwritten digits of 8 x 8 pixels, from scikit-learn",
    kinds=LABELLED,
    factory="teachmatters.datasets.digits:open_digits",
    bundled=True,
    layout="sklearn.datasets.load_digits()",
    source="UCI Optical Recognition of Handwritten Digits, the copy in scikit-learn",
    licence="CC BY 4.0",
    citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998",
)

FOLDER = DatasetSpec(
    name="folder",
    summary="any folder of images, labelled if each class has its own folder",
    kinds=LABELLED,
    factory="teachmatters.datasets.folders.image_folder:open_folder",
    layout="images; or a folder per class; or train/ and val/ (validation/, test/) with a folder per class each; or "
    "these in tar files (webdataset); or a table of Hugging Face datasets",
    source="your own, named by --data-root",
    licence="your own",
    citation="none",
    version=2,  # EXIF orientation is applied
)

IMAGENET = DatasetSpec(
    name="imagenet",
    summary="ImageNet-1k: train/ is the gallery, val/ everything else",
    kinds=LABELLED,
    factory="teachmatters.datasets.imagenet:open_imagenet",
    folder="imagenet",
    requires=(
        "train|*.tar|train*.parquet|data/train*.parquet|dataset_dict.json",
        "val|*.tar|val*.parquet|data/val*.parquet|dataset_dict.json",
    ),
    layout="train/<wnid>/*.JPEG and val/<wnid>/*.JPEG, or these in tar files, or a table of Hugging Face datasets; or "
    "val/*.JPEG with LOC_val_solution.csv or ILSVRC2012_devkit_t12/ next to it",
    source=IMAGENET_SOURCE,
    licence=IMAGENET_LICENCE,
    citation=IMAGENET_CITATION,
)

IMAGENET50 = DatasetSpec(
    name="imagenet50",
    summary="fifty classes of ImageNet's train/, the first images of each",
    kinds=LABELLED,
    factory="teachmatters.datasets.imagenet50:open_imagenet50",
    parameters=(
        Parameter(name="per_class", kind="int", default=100, minimum=1, summary="images of each class, by name"),
    ),
    folder="imagenet",
    requires=("train",),
    layout="train/<wnid>/*.JPEG for the fifty classes of teachmatters/datasets/imagenet50.txt",
    source=IMAGENET_SOURCE,
    licence=IMAGENET_LICENCE,
    citation="Walmer et al., Teaching Matters: Investigating the Role of Supervision in Vision Transformers, CVPR 2023",
)

COCO = DatasetSpec(
    name="coco",
    summary="COCO val2017: 5,000 everyday scenes with the outlines of their objects in 80 categories",
    kinds=frozenset({"images", "masks"}),
    factory="teachmatters.datasets.coco:open_coco",
    parameters=(
        Parameter(
            name="images",
            kind="int",
            default=None,
            minimum=1,
            summary="number of images, the first by id: 5000 for attention-iou, 1000 for segment-clustering, else all",
            default_for={"attention-iou": 5000, "segment-clustering": 1000},
        ),
    ),
    folder="coco",
    requires=("annotations/instances_val2017.json", "val2017|images/val2017"),
    layout="annotations/instances_val2017.json, and val2017/*.jpg next to annotations/ or in images/",
    source="cocodataset.org, 2017 Val images and 2017 Train/Val annotations",
    licence="annotations CC BY 4.0; each image the licence of its photographer on Flickr",
    citation="Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014",
)

PARTIMAGENET = DatasetSpec(
    name="partimagenet",
    summary="PartImageNet: about 24,000 images of 158 ImageNet classes with the outlines of 40 kinds of parts",
    kinds=frozenset({"images", "parts"}),
    factory="teachmatters.datasets.partimagenet:open_partimagenet",
    parameters=(
        Parameter(
            name="per_supercategory",
            kind="int",
            default=None,
            minimum=1,
            summary="images of each super-category, round-robin over its classes: 500 for attention-iou, 100 for "
            "segment-clustering, else all",
            default_for={"attention-iou": 500, "segment-clustering": 100},
        ),
    ),
    folder="PartImageNet",
    requires=("train.json", "val.json", "test.json", "train", "val", "test"),
    layout="{train,val,test}.json and {train,val,test}/<wnid>/*.JPEG, as the original (OOD) release unpacks",
    source="github.com/TACJu/PartImageNet",
    licence="the images as ImageNet: non-commercial research and education",
    citation="He et al., PartImageNet: A Large, High-Quality Dataset of Parts, ECCV 2022",
)
