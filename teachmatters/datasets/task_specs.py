"""The specs of the task data sets: retrieval, videos and keypoints."""

from __future__ import annotations

from teachmatters.api import DatasetSpec


def _landmarks(name: str, city: str, images: str) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        summary=f"revisited {city}: {images} images among which 70 queries find their building",
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
    summary="SPair-71k, test pairs: keypoints to be found again on another object of the same category",
    kinds=frozenset({"images", "pairs"}),
    factory="teachmatters.datasets.spair:open_spair",
    folder="SPair-71k",
    requires=("JPEGImages", "PairAnnotation/test"),
    layout="JPEGImages/<category>/*.jpg and PairAnnotation/test/<number>-<image>-<image>:<category>.json (or _)",
    source="cvlab.postech.ac.kr/research/SPair-71k",
    licence="research; the images as PASCAL VOC 2012 and PASCAL 3D+",
    citation="Min et al., SPair-71k: A Large-scale Benchmark for Semantic Correspondence, 2019",
)

TASK_DATASETS = (ROXFORD5K, RPARIS6K, DAVIS, SPAIR)
