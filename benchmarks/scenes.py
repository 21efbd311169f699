"""Measure the speed of generating scenes, and the accuracy of raw pixels on them. ``python -m benchmarks.scenes``.

The data set is only useful if colours at positions do not determine the categories: 3,000 images of train at 64 pixels,
600 of val, chance 8.3 percent, for ridge and logistic regression on RGB (the best of several strengths, chosen on val,
which is optimistic) and for cosine nearest neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from teachmatters.api import Item
from teachmatters.datasets.scenes.dataset import Scenes
from teachmatters.datasets.scenes.paint import draw
from teachmatters.datasets.scenes.scene import labelled

TRAIN, VAL = 3000, 600
Floats = NDArray[np.float32]


def milliseconds(size: int, images: int = 48, rounds: int = 3) -> float:
    """Return the CPU time for one image in milliseconds, the best of several rounds."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        for number in range(images):
            draw(labelled(0, "val", number), size)
        taken.append(time.process_time() - start)
    return min(taken) / images * 1000


def pixels(scenes: Scenes, items: Sequence[Item] | None) -> tuple[Floats, NDArray[np.intp]]:
    """Return RGB from 0 to 1, one row per image, and the labels."""
    assert items is not None
    rows = np.stack([np.asarray(scenes.image(item), dtype=np.float32).ravel() for item in items])
    return rows / np.float32(255), np.array([item.label for item in items])


def main() -> None:
    """Print all numbers."""
    for size in (64, 224):
        print(f"{size} pixels: {milliseconds(size):.1f} ms an image")
    scenes = Scenes(train=TRAIN, val=VAL)
    train, classes = pixels(scenes, scenes.items("labels", "gallery"))
    val, truth = pixels(scenes, scenes.items("labels", "queries"))
    middle = train.mean(0)
    train, val = train - middle, val - middle

    def score(model: Any) -> float:
        return 100 * float(model.fit(train, classes).score(val, truth))

    ridge = max(score(RidgeClassifier(alpha=alpha)) for alpha in (1e3, 1e4, 1e5))
    logistic = max(score(LogisticRegression(C=c, max_iter=200)) for c in (1e-4, 1e-3))
    print(f"ridge {ridge:.1f} %, logistic regression {logistic:.1f} %")
    for k in (1, 20):
        print(f"k-NN, k = {k}: {score(KNeighborsClassifier(k, metric='cosine')):.1f} %")


if __name__ == "__main__":
    main()
