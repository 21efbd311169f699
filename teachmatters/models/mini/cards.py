"""Read the cards of the mini models: facts about their training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def training(name: str) -> list[str]:
    """Return facts about the training of a model of this package, one a line; nothing for any other model.

    >>> training("dino-b16")
    []
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        return []
    card: dict[str, Any] = json.loads(path.read_text("utf-8"))
    data, curve, different = card["data"], card["loss_curve"], card["distinct_images"]
    settings = ", ".join(f"{key}={value}" for key, value in data["parameters"].items())
    return [
        f"{card['images_seen']:,} images seen, of the {different:,} of {data['dataset']} ({settings})",
        f"{card['steps']:,} steps of {card['batch_size']}, seed {card['seed']}, {card['optimiser']}",
        f"{card['seconds']:,.0f} s on {card['device']}, threads: {card['threads']}",
        f"loss {curve[0][1]:g} to {curve[-1][1]:g}",
        card["command"],
        *(f"{key}: {value}" for key, value in card["sanity"].items()),
    ]
