"""The files of a finished training: weights, a card that describes their origin, and the loss curve."""

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

# The number of points of the card's loss curve.
POINTS = 100


def write(training: Training, command: str, facts: Mapping[str, Any], out: Path) -> None:
    """Write the weights in half precision, and next to them the card and the loss curve.

    Args:
        training: the finished training.
        command: the command that repeats it.
        facts: a description of the data, for the card.
        out: the file for the weights.

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
        raise TeachMattersError(
            f"cannot write {out}: {error.strerror or error}; free some disk space and run the command again"
        ) from None


def _half(name: str, value: torch.Tensor) -> torch.Tensor:
    value = value.detach().cpu()
    # The training's products rounded matrices to bfloat16; digits beyond would only make the file compress worse.
    matrix = name.endswith("weight") and value.ndim > 1
    halved = (value.to(torch.bfloat16) if matrix else value).to(torch.float16)
    if not torch.isfinite(halved).all():
        raise TeachMattersError(f"{name} does not fit half precision (its largest is {value.abs().max():.3g})")
    return halved.contiguous()


def card(training: Training, command: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card: a description of the weights and their training."""
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
    """Return at most POINTS pairs: a number of completed steps, and the mean loss since the previous pair.

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
