"""The records of a clustering, from features and labels, layer by layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from teachmatters.api import Context, Record, Result
from teachmatters.errors import TeachMattersError
from teachmatters.measures.representation.clusters import SCORES, Features, Labels, k_means

# The size of a layer's features from which on threads pay off. Below, k-means spends its time in Python, where threads
# wait for each other.
LARGE = 250_000


def record_clusters(
    result: Result, context: Context, of: str, labels: Labels, features: Callable[[int], Features]
) -> None:
    """Cluster the features of every layer and record how well the clusters agree with the labels.

    Args:
        result: the records are added to it.
        context: the context of the analysis, with the number of clusters.
        of: the source of the features, the last word of the metrics' names.
        labels: (n,).
        features: returns the features of a layer (from 1), (n, D); called from several threads.

    Raises:
        TeachMattersError: more clusters than samples, or all samples of one label.
    """
    clusters = _number_of_clusters(context, of, labels)
    layers = range(1, context.model.depth + 1)
    threads = torch.get_num_threads() if features(1).size >= LARGE else 1
    with warnings.catch_warnings(), threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        # Filters and limits apply to the whole process, so they are set here instead of in the threads.
        warnings.filterwarnings("ignore", message="Number of distinct clusters", category=UserWarning)
        every = list(pool.map(lambda layer: k_means(features(layer), clusters, context.seed), layers))
    for layer, found in zip(layers, every, strict=True):
        result.records += [
            Record(metric=f"{name}-{of}", layer=layer, value=score(labels, found), n=len(labels))
            for name, score in SCORES.items()
            if f"{name}-{of}" in context.metrics
        ]
    few = [layer for layer, found in zip(layers, every, strict=True) if len(np.unique(found)) < clusters]
    if few:
        result.notes[f"{of}: fewer different features than clusters"] = {"layers": few}


def _number_of_clusters(context: Context, of: str, labels: Labels) -> int:
    samples, present = len(labels), len(np.unique(labels))
    clusters: int = context.parameters["clusters"] or present
    nouns = {"object": "objects", "part": "parts"}.get(of, "images")
    if clusters > samples:
        raise TeachMattersError(
            f"{clusters} clusters of {samples} {nouns} are not possible; use more images, or fewer clusters "
            f"(--param clusters={max(2, min(present, samples))})"
        )
    if present < 2:
        raise TeachMattersError(f"all {samples} {nouns} are of one class: clusters need at least two; use more data")
    return clusters
