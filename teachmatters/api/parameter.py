"""Parameters that an analysis or a data set declares; ``--param NAME=VALUE`` sets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

# The value of a parameter. ``None`` is only a default: the analysis then decides from the data.
Value: TypeAlias = int | float | str | bool | tuple[int, ...] | tuple[float, ...] | None

# Values by name. The runner has checked each value against its declaration, so its type is known.
Parameters: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A declared parameter.

    Attributes:
        name: as typed on the command line.
        kind: the type of the text after ``=``; ``ints`` and ``floats`` are comma-separated lists.
        default: the value that is used when none is given.
        summary: one line for ``tm metrics NAME`` or ``tm datasets NAME``.
        choices: the allowed values; empty means any.
        minimum, maximum: the allowed range of a number (of each number of a list), inclusive.
        default_for: other defaults: by data set for the parameter of an analysis, by analysis for the parameter of a
            data set.
        in_setting: False for a parameter that changes no number (such as an output folder), which the cell leaves out.
        omit_default: leave the parameter out of the cell while it has its default, so that results that were recorded
            before an analysis had this parameter are still found.
        several: True if a comma-separated list is one run for each of its values.
    """

    name: str
    kind: Literal["int", "float", "str", "bool", "ints", "floats"]
    default: Value
    summary: str
    choices: tuple[Value, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default_for: Mapping[str, Value] = field(default_factory=dict)
    in_setting: bool = True
    omit_default: bool = False
    several: bool = False
