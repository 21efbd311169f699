"""The hooks of this plugin."""

from __future__ import annotations

from teachmatters.api import CommandSpec
from teachmatters.hookspecs import hookimpl

TEACHMATTERS_API = 2


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the command ``train``."""
    return [
        CommandSpec(
            name="train",
            summary="Train a mini model: labels, captions, self-distillation, contrast or masks.",
            app="teachmatters_train.cli:app",
        )
    ]
