"""Run an analysis on a few images of a small network, repeatedly and in several ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from teachmatters.api import Analysis, ModelAdapter, ModelSpec, Result, State
from teachmatters.cache.states import load_state, save_state
from teachmatters.models.networks import create
from teachmatters.models.timm.vit import TimmViT
from teachmatters.plugin.checks.probes.guarded import Guarded
from teachmatters.plugin.findings import CheckSkipped
from teachmatters.runner.features.extractor import writing_features
from teachmatters.runner.features.members import start_member
from teachmatters.runner.features.plan import FeaturePlan
from teachmatters.runner.forward.device import full_precision
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember, ScheduledImage, build_schedule, split_schedule
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.record.validate import check_result

CPU = torch.device("cpu")

SMALL: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "num_heads": 3, "depth": 3}
MODELS: dict[str, dict[str, Any]] = {
    "with a class token": {},
    "of two layers": {"depth": 2},
    "without a class token and with registers": {"class_token": False, "global_pool": "avg", "reg_tokens": 2},
}


@dataclasses.dataclass(frozen=True, slots=True)
class TrialSettings:
    """The options of ``Trial.result``."""

    batch_size: int = 8
    parts: int = 1
    backwards: bool = False
    guarded: bool = False


class Trial:
    """An analysis that can be run repeatedly.

    Args:
        task: the analysis on its data, with few items.
        folder: the folder for states and features.
    """

    def __init__(self, task: Task, folder: Path) -> None:
        self.task, self.folder = task, folder
        self.adapters: dict[str, ModelAdapter] = {}
        self.runs = 0

    @property
    def grouped(self) -> bool:
        """Return whether the order of the items is fixed."""
        return self._start("with a class token", self._settings(4))[0].input_spec.group is not None

    def result(self, *, batch_size: int = 8, parts: int = 1, backwards: bool = False, guarded: bool = False) -> Result:
        """Return the result of one pass over the images.

        Args:
            batch_size: the number of images per batch.
            parts: the number of parts of the images, whose states are saved, loaded and merged in reverse order.
            backwards: whether the images arrive in reverse order.
            guarded: whether tensors are filled with NaN when their layer is over.
        """
        how = TrialSettings(batch_size, parts, backwards, guarded)
        analysis, state = self._gathered("with a class token", how)
        if not self.task.spec.pairs:
            return analysis.compute(state)
        return analysis.compare(state, self._gathered("of two layers", how)[1])

    def of_other_shape(self) -> Result:
        """Return the validated result of a model with registers and without a class token."""
        name = "without a class token and with registers"
        if not PendingTask(self.task, self.task.metrics).applicable(self._adapter(name).info):
            raise CheckSkipped("none of its metrics applies to a model without a class token")
        analysis, state = self._gathered(name)
        result = analysis.compare(state, state) if self.task.spec.pairs else analysis.compute(state)
        self.check(result, name, name)
        return result

    def with_nothing(self) -> tuple[Result, Result]:
        """Return the result of a state, and of this state merged with an empty one."""
        name = "with a class token"
        analysis, state = self._gathered(name)
        empty = self._saved(self._start(name, self._settings(4))[0].analysis.state())
        merged = analysis.merge([empty, state, empty])
        finish = (lambda s: analysis.compare(s, s)) if self.task.spec.pairs else analysis.compute
        return finish(state), finish(merged)

    def check(self, result: Result, model: str = "with a class token", other: str = "of two layers") -> None:
        """Check a result against the declaration of the analysis."""
        info = self._adapter(model).info
        metrics = PendingTask(self.task, self.task.metrics).applicable(info)
        check_result(self.task.spec, metrics, result, info, self._adapter(other).info if self.task.spec.pairs else info)

    # --- a pass

    def _gathered(self, model: str, how: TrialSettings | None = None) -> tuple[Analysis, State]:
        how = how or TrialSettings()
        settings = self._settings(how.batch_size)
        begun = [self._start(model, settings, guarded=how.guarded) for _ in range(how.parts)]  # as if side by side
        states = []
        for number, members in enumerate(begun):
            divided = split_schedule(build_schedule(members), how.parts)
            entries = divided[number] if number < len(divided) else []
            self._pass(model, members, entries[::-1] if how.backwards else entries, how.batch_size)
            states.append(self._saved(members[0].analysis.state()))
        # A new instance merges them, because everything must be in the states.
        analysis = self._start(model, settings)[0].analysis
        return analysis, analysis.merge(states[::-1]) if how.parts > 1 else states[0]

    def _pass(
        self, model: str, members: Sequence[PassMember], entries: Sequence[ScheduledImage], batch_size: int
    ) -> None:
        fed = [member for member in members if member.input_spec.taps]
        if not fed or not entries:
            return
        with writing_features(fed), full_precision():
            one = Pass(self._adapter(model), CPU, torch.float32, fed, entries)
            failed = one.run(members[0].input_spec.transform, batch_size, lambda _: None).failed
        for error in failed.values():
            raise error

    def _start(self, model: str, settings: PassSettings, *, guarded: bool = False) -> list[PassMember]:
        """Start the analysis, together with the reader of the features that it collects."""
        info = self._adapter(model).info
        asked = LabelledModel(model, ModelSpec(name=model, family="trial", supervision="", summary=""))
        features = FeaturePlan(settings, MeasuredModel(asked, "0" * 64, info), print)
        member, context = start_member(PendingTask(self.task, self.task.metrics), info, settings, model)
        if member.input_spec.collect:
            features.want(member, self.task, context)
            features.begin()
            for error in features.failed.values():
                raise error
        own = dataclasses.replace(member, analysis=Guarded(member.analysis)) if guarded else member
        return [own, *features.members([member])]

    def _settings(self, batch_size: int) -> PassSettings:
        cache = self.folder / "trial.cache"
        return PassSettings(device=CPU, dtype=torch.float32, batch_size=batch_size, seed=0, cache=cache)

    def _saved(self, state: State) -> State:
        self.runs += 1
        path = self.folder / f"state-{self.runs}.safetensors"
        save_state(path, state)
        return load_state(path)

    def _adapter(self, model: str) -> ModelAdapter:
        if model not in self.adapters:
            network = create("vit_tiny_patch16_224", SMALL | MODELS[model], seed=len(model))
            draws = torch.Generator().manual_seed(len(model))
            with torch.no_grad():  # a new network's attention is nearly uniform, which would hide errors
                for name, parameter in network.named_parameters():
                    if name.endswith("attn.qkv.weight") or name == "pos_embed":
                        parameter.normal_(std=0.4, generator=draws)
            self.adapters[model] = TimmViT(network, model)
        return self.adapters[model]
