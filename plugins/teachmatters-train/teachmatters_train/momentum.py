"""Momentum teachers: moving averages of their students."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn


def momentum(progress: float, base: float) -> float:
    """Return the momentum, which rises from ``base`` to 1 along a cosine.

    >>> momentum(0.0, 0.99), momentum(1.0, 0.99)
    (0.99, 1.0)
    """
    return 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2


def freeze(teacher: nn.Module, student: nn.Module) -> None:
    """Copy the student's weights to the teacher and turn off the teacher's gradients."""
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)


def follow(pairs: Mapping[nn.Module, nn.Module], progress: float, base: float) -> None:
    """Move each teacher (key) towards its student (value); ``base`` is the momentum at the start."""
    from lightly.models.utils import update_momentum

    for teacher, student in pairs.items():
        update_momentum(student, teacher, momentum(progress, base))
