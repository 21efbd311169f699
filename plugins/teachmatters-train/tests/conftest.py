"""A tiny training set whose colours identify the class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

os.environ["OMP_NUM_THREADS"] = "1"  # for tiny networks, threads cost more than they gain
os.environ["TM_LOAD_PLUGINS"] = ""  # each test names the plugins it needs

from teachmatters.models.mini.sources import mini_network
from teachmatters_train.method import Corpus, Method
from teachmatters_train.methods import find
from teachmatters_train.recipe import seeded

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # lightly's dependencies warn when imported
    import lightly.loss  # noqa: F401


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Make sixteen images of four classes: a bright bar, upright or flat."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 80, (16, 3, 64, 64), dtype=np.uint8)
    labels = np.arange(16) % 4
    for image, label in zip(images, labels, strict=True):
        image[label % 3, 20:44] += 150 if label < 2 else 0
        image[label % 3, :, 20:44] += 150 if label >= 2 else 0
    words = ["a flat red bar", "a flat green bar", "an upright blue bar", "an upright red bar"]
    return Corpus(images, labels, 4, [words[label] for label in labels])


Small = Callable[[str], Method]


@pytest.fixture
def small(corpus: Corpus) -> Small:
    """Return a function that builds a method on a network of two blocks."""

    def make(name: str) -> Method:
        network = mini_network()
        network.blocks = network.blocks[:2]  # type: ignore[index]
        with seeded(0, 0):
            return find(name)(network, corpus)

    return make
