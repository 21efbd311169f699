"""The specs of the task data sets: retrieval, videos, keypoints and segmentation."""

from __future__ import annotations

from teachmatters.api import DatasetSpec


def _landmarks(name: str, city: str, images: str) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        summary=f"revisited {city}: {images} images, in which 70 queries search for their building",
        kinds=frozenset({"images", "retrieval"}),
        factory="teachmatters.datasets.retrieval:open_landmarks",
        folder=name,
        requires=("jpg", f"gnd_{name}.pkl"),
        layout=f"jpg/*.jpg and gnd_{name}.pkl",
        source="cmp.felk.cvut.cz/revisitop (ground truth), robots.ox.ac.uk/~vgg/data (images)",
        licence="the images belong to their photographers on Flickr; ground truth for research",
        citation="Radenovic et al., Revisiting Oxford and Paris: Large-Scale Image Retrieval Benchmarking, CVPR 2018",
    )


ROXFORD5K = _landmarks("roxford5k", "Oxford", "4,993")
RPARIS6K = _landmarks("rparis6k", "Paris", "6,322")

DAVIS = DatasetSpec(
    name="davis",
    summary="DAVIS 2017 val: 30 videos with a mask of every object in every frame",
    kinds=frozenset({"images", "videos"}),
    factory="teachmatters.datasets.davis:open_davis",
    folder="DAVIS",
    requires=("JPEGImages/480p", "Annotations/480p", "ImageSets/2017/val.txt"),
    layout="JPEGImages/480p/<video>/*.jpg, Annotations/480p/<video>/*.png and ImageSets/2017/val.txt",
    source="davischallenge.org, DAVIS 2017, TrainVal, 480p",
    licence="CC BY 4.0 (annotations); the videos as their authors say",
    citation="Pont-Tuset et al., The 2017 DAVIS Challenge on Video Object Segmentation, 2017",
)

SPAIR = DatasetSpec(
    name="spair",
    summary="SPair-71k, test pairs: keypoints to find on another object of the same category",
    kinds=frozenset({"images", "pairs"}),
    factory="teachmatters.datasets.spair:open_spair",
    folder="SPair-71k",
    requires=("JPEGImages", "PairAnnotation/test"),
    layout="JPEGImages/<category>/*.jpg and PairAnnotation/test/<number>-<image>-<image>:<category>.json (or _)",
    source="cvlab.postech.ac.kr/research/SPair-71k",
    licence="research; the images as PASCAL VOC 2012 and PASCAL 3D+",
    citation="Min et al., SPair-71k: A Large-scale Benchmark for Semantic Correspondence, 2019",
)

VOC = DatasetSpec(
    name="voc",
    summary="PASCAL VOC 2012: the class of every pixel, 21 classes; gallery train, queries val",
    kinds=frozenset({"images", "semantic"}),
    factory="teachmatters.datasets.semantic.official:open_voc",
    folder="VOCdevkit",
    requires=(
        "VOC2012/JPEGImages|JPEGImages",
        "VOC2012/SegmentationClass|SegmentationClass",
        "VOC2012/ImageSets/Segmentation/train.txt|ImageSets/Segmentation/train.txt",
        "VOC2012/ImageSets/Segmentation/val.txt|ImageSets/Segmentation/val.txt",
    ),
    layout="VOC2012/JPEGImages/*.jpg, VOC2012/SegmentationClass/*.png and "
    "VOC2012/ImageSets/Segmentation/{train,val}.txt",
    source="host.robots.ox.ac.uk/pascal/VOC/voc2012, VOCtrainval_11-May-2012.tar",
    licence="the images belong to their photographers on Flickr",
    citation="Everingham et al., The Pascal Visual Object Classes Challenge: A Retrospective, IJCV 2015",
)

ADE20K = DatasetSpec(
    name="ade20k",
    summary="ADE20K scene parsing: the class of every pixel, 150 classes; gallery training, queries validation",
    kinds=frozenset({"images", "semantic"}),
    factory="teachmatters.datasets.semantic.official:open_ade20k",
    folder="ADEChallengeData2016",
    requires=("images/training", "images/validation", "annotations/training", "annotations/validation"),
    layout="images/{training,validation}/*.jpg and annotations/{training,validation}/*.png",
    source="sceneparsing.csail.mit.edu, ADEChallengeData2016.zip",
    licence="BSD-3 (annotations); the images for non-commercial research and education",
    citation="Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
)

MASK_FOLDER = DatasetSpec(
    name="mask-folder",
    summary="any folder of images next to a folder of masks with the class of every pixel",
    kinds=frozenset({"images", "semantic"}),
    factory="teachmatters.datasets.semantic.mask_folder:open_mask_folder",
    requires=("images", "masks"),
    layout="images/<name>.jpg (or .png, ...) and masks/<name>.png, optionally divided into train/ and val/; optionally "
    "classes.txt with a name a line",
    source="your own, named by --data-root",
    licence="your own",
    citation="none",
)

TASK_DATASETS = (ROXFORD5K, RPARIS6K, DAVIS, SPAIR, VOC, ADE20K, MASK_FOLDER)
