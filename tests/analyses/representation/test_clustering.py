"""Tests of the clustering of images, from images to numbers, and of impossible clusterings."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from teachmatters.analyses.representation.cluster_scores import record_clusters
from teachmatters.analyses.representation.cluster_specs import CLUSTERING, SEGMENT_CLUSTERING
from teachmatters.analyses.representation.clustering import ClusteringAnalysis
from teachmatters.api import Context, Crop, Readout, Result
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.parameters import effective
from tests import cluster_oracles as oracles
from tests import driving, measuring
from tests.toys import ToyData


def tokens_of(data: ToyData) -> torch.Tensor:
    """(images, layers, tokens, width) of toy-a's blocks, one image at a time."""
    adapter, every = measuring.adapter(), []
    for item in data.items("labels", "all") or ():
        transformed = Crop().apply(data.image(item), {}, adapter.info)
        layers: list[torch.Tensor] = []

        def sink(layer: int, tap: str, values: torch.Tensor, into: list[torch.Tensor] = layers) -> None:
            into.append(values[0])

        with torch.inference_mode():
            pixels = (torch.from_numpy(transformed.inputs).float() / 255 - 0.5) / 0.5
            adapter.stream(pixels, frozenset({"block"}), sink)
        every.append(torch.stack(layers))
    return torch.stack(every)


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("clusters", [None, 5])
def test_images_by_class_token_and_by_the_mean_of_patches(clusters: int | None) -> None:
    wanted = measuring.task("clustering", "toys", *([f"clusters={clusters}"] if clusters else []))
    result = measuring.measure(wanted, batch_size=5)
    tokens, labels = tokens_of(ToyData(21)), [i % 2 for i in range(21)]
    for layer in range(3):
        for of, features in (("cls", tokens[:, layer, 0]), ("spatial", tokens[:, layer, 1:].mean(dim=1))):
            expected = oracles.scores(features.numpy(), labels, clusters or 2)
            for name, value in expected.items():
                (row,) = [r for r in result.records if (r.metric, r.layer) == (f"{name}-{of}", layer + 1)]
                assert row.value == pytest.approx(value)
                assert (row.n, row.std) == (21, None)
    assert len(result.records) == 18
    assert result.notes == {}


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("parameter", "limit", "words"),
    [
        ("clusters=22", None, r"22 clusters of 21 images are not possible; .* \(--param clusters=2\)"),
        ("clusters=9", 4, "9 clusters of 4 images"),
        ("clusters=2", 1, "2 clusters of 1 images"),
        (None, 1, "all 1 images are of one class"),
    ],
)
def test_impossible_clusterings_are_errors(parameter: str | None, limit: int | None, words: str) -> None:
    wanted = measuring.task("clustering", "toys", *([parameter] if parameter else []), limit=limit)
    with pytest.raises(TeachMattersError, match=words):
        measuring.measure(wanted)


def test_only_requested_features_are_read_and_recorded() -> None:
    analysis = ClusteringAnalysis()
    assert analysis.input_spec({}, frozenset({"nmi-spatial", "ari-spatial"})).collect == {Readout("mean")}
    assert analysis.input_spec({}, frozenset({"purity-cls"})).collect == {Readout("cls")}
    result = Result()
    features = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    record_clusters(result, context("nmi-spatial"), "spatial", np.arange(9) % 3, lambda layer: features)
    assert [(r.metric, r.layer) for r in result.records] == [("nmi-spatial", 1), ("nmi-spatial", 2)]


def context(*metrics: str, **parameters: Any) -> Context:
    analysis: Any = driving.started(CLUSTERING, driving.info(2, width=3), 9, metrics, **parameters)
    started: Context = analysis.context
    return started


def test_collapsed_features_are_noted_without_a_warning() -> None:
    result, flat = Result(), np.ones((9, 3), dtype=np.float32)
    spread = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])  # of class 2 there is one
        record_clusters(result, context("purity-cls"), "cls", labels, lambda layer: flat if layer == 2 else spread)
    assert result.notes == {"cls: fewer different features than clusters": {"layers": [2]}}
    assert result.records[1].value == pytest.approx(6 / 9)


def test_the_seed_comes_from_the_command() -> None:
    features = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    found = []
    for seed in (0, 1):
        result, about = Result(), dataclasses.replace(context("nmi-cls", clusters=20), seed=seed)
        record_clusters(result, about, "cls", np.arange(60) % 7, lambda layer: features)
        found.append(result.records[0].value)
    assert found[0] == pytest.approx(oracles.scores(features, [i % 7 for i in range(60)], 20)["nmi"])
    assert found[0] != found[1]


def test_the_number_of_clusters_of_the_papers_data() -> None:
    given = {
        (spec.name, data): effective(spec, data, {})["clusters"]
        for spec in (CLUSTERING, SEGMENT_CLUSTERING)
        for data in (*spec.paper_data, "scenes")
    }
    assert given == {
        ("clustering", "imagenet50"): 50, ("clustering", "scenes"): None, ("segment-clustering", "coco"): 80,
        ("segment-clustering", "partimagenet"): 80, ("segment-clustering", "scenes"): None,
    }  # fmt: skip
