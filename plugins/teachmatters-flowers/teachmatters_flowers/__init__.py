"""Register the data set ``flowers``; every ``tm --help`` imports this module, so it holds only the spec."""

from __future__ import annotations

from teachmatters import hookimpl
from teachmatters.api import DatasetSpec, Parameter

# --8<-- [start:api]
TEACHMATTERS_API = 2
# --8<-- [end:api]

# --8<-- [start:spec]
FLOWERS = DatasetSpec(
    name="flowers",
    summary="Oxford 102 Flowers: 8,189 images of 102 kinds of flowers",
    kinds=frozenset({"images", "labels"}),
    factory="teachmatters_flowers.dataset:open_flowers",
    folder="flowers",
    requires=("jpg", "imagelabels.mat", "setid.mat"),
    layout="jpg/image_00001.jpg ..., imagelabels.mat and setid.mat in a folder called flowers",
    source="robots.ox.ac.uk/~vgg/data/flowers/102: 102flowers.tgz, imagelabels.mat, setid.mat",
    licence="none stated: the images belong to their photographers; research",
    citation="Nilsback and Zisserman, Automated flower classification over a large number of classes, ICVGIP 2008",
    parameters=(
        Parameter(
            name="split",
            kind="str",
            default="test",
            choices=("test", "val"),
            summary="split of the queries; the gallery is train and val, or train alone",
        ),
    ),
)


@hookimpl
def register_datasets() -> list[DatasetSpec]:
    """Return the spec of the data set ``flowers``."""
    return [FLOWERS]


# --8<-- [end:spec]
