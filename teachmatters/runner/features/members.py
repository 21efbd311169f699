"""Starting an analysis as a member of a pass."""

from __future__ import annotations

from teachmatters.api import Context, ModelInfo
from teachmatters.runner.features.reader import CollectedFeatures
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import new_analysis


def start_member(
    pending: PendingTask, model: ModelInfo, settings: PassSettings, label: str = ""
) -> tuple[PassMember, Context]:
    """Start a new analysis and return it as a pass member, with the context that it was started with."""
    task, metrics = pending.task, pending.applicable(model)
    context = Context(
        model=model,
        metrics=metrics,
        parameters=task.parameters,
        items=task.items,
        dataset=task.opened.dataset,
        device=settings.device,
        limit=task.template.limit,
        seed=settings.seed,
        label=label,
        features=CollectedFeatures(task.items, model),
    )
    analysis = new_analysis(task.spec)
    input_spec = analysis.input_spec(task.parameters, metrics)
    analysis.start(context)
    return PassMember(analysis, input_spec, task.kinds, task.opened.dataset, task.items), context
