"""What is written in the end: weights, the card that says where they come from, and the image of the loss."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from teachmatters.errors import TeachMattersError
from teachmatters.runner.record.provenance import git_commit, versions
from teachmatters_train import recipe as shared
from teachmatters_train.loop import Training

POINTS = 100
"""Of the loss curve in the card."""


def write(training: Training, command: str, facts: Mapping[str, Any], out: Path) -> None:
    """Weights in half precision, card and curve, side by side.

    Args:
        training: finished.
        command: repeats it.
        facts: of the data, for the card.
        out: the file of weights.

    Raises:
        TeachMattersError: a weight does not fit half precision, or a file cannot be written.
    """
    from safetensors.torch import save

    method = str(training.facts["method"])
    weights = {name: _half(name, value) for name, value in training.method.backbone.state_dict().items()}
    try:
        out.write_bytes(save(weights, metadata={"method": method}))
        out.with_suffix(".json").write_text(json.dumps(card(training, command, facts), indent=1) + "\n", "utf-8")
        _curve(f"mini-{method}", training, out.with_suffix(".png"))
    except OSError as error:
        raise TeachMattersError(f"cannot write {out}: {error.strerror or error}; free the disk and repeat") from None


def _half(name: str, value: torch.Tensor) -> torch.Tensor:
    halved = value.detach().cpu().to(torch.float16)
    if not torch.isfinite(halved).all():
        raise TeachMattersError(f"{name} does not fit half precision (its largest is {value.abs().max():.3g})")
    return halved.contiguous()


def card(training: Training, command: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a reader of the numbers wants to know of the weights."""
    recipe = training.recipe
    return {
        "model": f"mini-{training.facts['method']}",
        "method": training.facts["method"],
        "data": dict(facts),
        "distinct_images": recipe.images,
        "images_seen": recipe.steps * recipe.size,
        "epochs": recipe.epochs,
        "steps": recipe.steps,
        "batch_size": recipe.size,
        "optimiser": f"AdamW {recipe.peak:g}, betas {shared.BETAS}, weight decay {recipe.decay:g}, gradients to "
        f"{shared.CLIP:g}, {recipe.warm_up:.0%} warm-up, cosine to 0, bfloat16 products",
        "seed": recipe.seed,
        "seconds": round(training.seconds, 1),
        "device": _device(training.device),
        "threads": torch.get_num_threads(),
        "command": command,
        "versions": versions(("teachmatters", "teachmatters-train", "torch", "timm", "lightly", "numpy")),
        "git_commit": git_commit(),
        "loss_curve": [[step * recipe.size, round(loss, 4)] for step, loss in thinned(training.losses)],
        "sanity": {},
    }


def thinned(losses: Sequence[float]) -> list[tuple[int, float]]:
    """At most POINTS pairs of steps done and the mean loss since the pair before.

    >>> thinned([3.0, 1.0])
    [(1, 3.0), (2, 1.0)]
    >>> len(thinned([0.0] * 1001)), thinned([0.0] * 1001)[-1]
    (91, (1001, 0.0))
    """
    width = -(-len(losses) // POINTS)
    cuts = [(start, losses[start : start + width]) for start in range(0, len(losses), width or 1)]
    return [(start + len(cut), sum(cut) / len(cut)) for start, cut in cuts]


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({_processor()})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _curve(title: str, training: Training, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    size = training.recipe.size
    axes.plot([(step + 1) * size for step in range(len(training.losses))], training.losses, lw=0.6, alpha=0.35)
    points = thinned(training.losses)
    axes.plot([step * size for step, _ in points], [loss for _, loss in points], lw=1.8, color="C0")
    axes.set(title=title, xlabel="images seen", ylabel="loss", xlim=(0, None))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
