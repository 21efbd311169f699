"""The linear analysis: linear probes fitted on a gallery and tested on queries, at every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.analyses.feature_buffer import FeatureAnalysis
from teachmatters.analyses.scores import record_headline
from teachmatters.api import Crop, InputSpec, Item, Parameters, Readout, Result, Role, State
from teachmatters.errors import TeachMattersError, listing
from teachmatters.measures.moments import varies
from teachmatters.measures.tasks.linear import (
    Gallery,
    fit_logistic_probe,
    fit_ridge_probe,
    held_out,
    nth_of_class,
    rank_of_class,
)
from teachmatters.measures.tasks.logistic import TOLERANCE

LOGISTIC = {"linear-top1": 1, "linear-top5": 5}


class LinearAnalysis(FeatureAnalysis):
    """An analysis that fits a logistic and a ridge regression on the collected vectors of the gallery."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(
            collect=frozenset({Readout.of(parameters)}), roles=("queries", "gallery"), transform=Crop.of(parameters)
        )

    def select(self, items: Mapping[Role, Sequence[Item]], parameters: Parameters) -> Mapping[Role, Sequence[Item]]:
        """Keep the first ``shots`` gallery items of each class."""
        if parameters["shots"] is None:
            return items
        gallery = items["gallery"]
        nth = nth_of_class(torch.tensor([item.label for item in gallery]))
        kept = [item for item, number in zip(gallery, nth.tolist(), strict=True) if number <= parameters["shots"]]
        return {**items, "gallery": kept}

    def compute(self, state: State) -> Result:
        labels, truth = self._labels("gallery"), self._labels("queries")
        if not len(labels) or not len(truth):
            raise TeachMattersError(
                f"linear probes need an image of each role: {len(truth)} queries and {len(labels)} gallery images "
                "could be read; check the images"
            )
        known, labels = labels.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        # A class that the gallery lacks has no score; its queries are wrong.
        place = torch.full((int(max(known.max(), truth.max())) + 1,), -1, device=known.device)
        place[known] = torch.arange(len(known), device=known.device)
        self.truth, self.held, self.classes = place[truth], held_out(labels), len(known)
        self.units = tuple(self.context.items["queries"][i].key for i in self.context.features.index("queries"))
        result, constant = Result(), []
        for layer in range(1, self.context.model.depth + 1):
            gallery = Gallery(self._vectors("gallery", layer), labels, self.classes, self.held)
            if varies(gallery.features):
                self._probe(result, layer, gallery, self._vectors("queries", layer))
            else:
                constant.append(layer)
        if constant:
            result.notes["no probe, because the gallery's vectors do not vary"] = {"layers": constant}
        self._say_what_was_not_chosen(result)
        return result

    def _labels(self, role: Role) -> Tensor:
        items = self.context.items[role]
        labels = [items[i].label for i in self.context.features.index(role)]
        return torch.tensor(labels, dtype=torch.int64, device=self.context.device)

    def _vectors(self, role: Role, layer: int) -> Tensor:
        """Return the vectors of all images of a role, each of length 1."""
        vectors = self.context.features.read(role, Readout.of(self.context.parameters), layer)
        return normalize(torch.from_numpy(vectors).to(self.context.device), dim=1)

    def _probe(self, result: Result, layer: int, gallery: Gallery, queries: Tensor) -> None:
        """Add the numbers of one layer."""
        metrics, parameters = self.context.metrics, self.context.parameters
        if "ridge-top1" in metrics:
            penalty, fit = fit_ridge_probe(gallery, parameters["ridge"])
            result.notes.setdefault("chosen lambda", {})[str(layer)] = penalty
            self._record(result, "ridge-top1", layer, fit.predict(queries), 1)
        if metrics & LOGISTIC.keys():
            c, logistic = fit_logistic_probe(gallery, parameters["C"])
            result.notes.setdefault("chosen C", {})[str(layer)] = c
            if logistic.gradient > TOLERANCE:
                ended = f"layer {layer}: {logistic.gradient:.1e} after {logistic.steps} steps"
                result.notes.setdefault("gradients above the tolerance", []).append(ended)
            scores = logistic.scores(queries)
            for metric in sorted(metrics & LOGISTIC.keys()):
                self._record(result, metric, layer, scores, LOGISTIC[metric])

    def _record(self, result: Result, metric: str, layer: int, scores: Tensor, top: int) -> None:
        right = (self.truth >= 0) & (rank_of_class(scores, self.truth) < top)
        record_headline(result, metric, layer, (right.byte() * 100).cpu().numpy(), self.units)

    def _say_what_was_not_chosen(self, result: Result) -> None:
        """Note the penalties that were not chosen on held-out images, and why."""
        lists = {"linear": ("C", LOGISTIC.keys()), "ridge": ("ridge", {"ridge-top1"})}
        wanted = [name for name, metrics in lists.values() if self.context.metrics & metrics]
        single = [name for name in wanted if len(self.context.parameters[name]) == 1]
        if not self.held.any():
            result.notes["no class has ten images in the gallery"] = f"not chosen: {listing(wanted)}"
        elif single:
            result.notes["a single value was given"] = f"not chosen: {listing(single)}"
