"""The output of ``tm study --plan``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from teachmatters.cli import options, output
from teachmatters.errors import listing

if TYPE_CHECKING:
    from teachmatters.runner.estimate.result import Estimate, EstimatedPass, Obstacle
    from teachmatters.store.location import StoreLocation

COLUMNS = (
    "data",
    "prepared",
    "analyses",
    "models",
    "cells",
    "images",
    "forward passes",
    "features",
    "a second",
    "time",
)


def show_estimate(found: Estimate, path: StoreLocation, style: options.ListFormat) -> None:
    """Print one row per data set and transform (JSON: per model too), then speeds, problems and totals."""
    if style == "json":
        _emit_json(found)
    elif found.passes:
        groups: dict[object, list[EstimatedPass]] = {}
        for each in found.passes:
            groups.setdefault((each.data, each.transform, each.seed, each.dtype), []).append(each)
        output.emit_table(COLUMNS, [_row(group) for group in groups.values()])
    _say_speeds(found)
    _say_problems(found)
    _say_total(found, path)


def _emit_json(found: Estimate) -> None:
    """Print one object per pass, one with the number of comparisons if there are any, and one per problem."""
    from teachmatters.runner.estimate.result import EstimatedPass

    names = [*(field.name for field in fields(EstimatedPass)), "seconds", "comparisons", "problem"]
    rows: list[dict[str, object]] = [asdict(each) | {"seconds": round(each.seconds, 1)} for each in found.passes]
    if found.comparisons:
        rows.append({"comparisons": found.comparisons})
    for each in found.problems:
        name = "data" if each.kind == "data" else "model"
        rows.append({name: each.name, "cells": each.cells, "problem": each.reason})
    output.emit_table(names, [[row.get(name) for name in names] for row in rows], "json")


def _row(group: Sequence[EstimatedPass]) -> tuple[object, ...]:
    from teachmatters.cache.sizes import in_words
    from teachmatters.runner.estimate.result import rate_of

    first, rate = group[0], rate_of(group)
    return (
        first.data,
        first.transform.lower(),
        ", ".join(dict.fromkeys(name for each in group for name in each.analyses)),
        len({each.model for each in group}),
        sum(each.cells for each in group),
        max(each.images for each in group),
        sum(each.forward_passes for each in group),
        in_words(sum(each.feature_bytes for each in group)),
        None if rate is None else f"{rate:.3g}",
        duration(sum(each.seconds for each in group)),
    )


def _say_speeds(found: Estimate) -> None:
    """Print the forward passes per second of each architecture."""
    from teachmatters.runner.estimate.result import rate_of

    groups: dict[str, dict[str, list[EstimatedPass]]] = {}
    for each in found.passes:
        if each.per_second:
            groups.setdefault(each.architecture, {}).setdefault(each.transform.lower(), []).append(each)
    for architecture, kinds in groups.items():
        speeds = ", ".join(f"{kind} {rate_of(passes):.3g}" for kind, passes in kinds.items())
        output.say(f"forward passes a second on this {found.device}: {architecture}: {speeds}")


def _say_problems(found: Estimate) -> None:
    kinds: dict[tuple[str, str], list[Obstacle]] = {}
    for problem in found.problems:
        kinds.setdefault((problem.kind, problem.reason), []).append(problem)
    for (kind, reason), problems in kinds.items():
        names, cells = listing(problem.name for problem in problems), sum(problem.cells for problem in problems)
        match kind:
            case "weights":
                output.say(
                    f"weights of {names} are {reason}; the estimate assumes that the store has none of their "
                    "numbers, and times untrained models"
                )
            case "data":
                output.say(f"not counted, {cells:,} cells on {names}: {reason}")
            case _:
                output.say(f"not counted, {names}: {reason}")


def _say_total(found: Estimate, path: StoreLocation) -> None:
    from teachmatters.cache.sizes import in_words

    output.say(f"{found.missing:,} of {found.cells:,} cells are missing from {path}")
    if found.passes or found.comparisons:
        output.say(
            f"{found.forward_passes:,} forward passes over {len(found.keys):,} images, about "
            f"{duration(found.seconds)} on this {found.device}; features: {in_words(found.feature_bytes)}"
        )
        pairs = f"{found.comparisons:,} comparisons of models and " if found.comparisons else ""
        output.say(f"not included in this time: {pairs}the computations after each pass")
    if found.remark:
        output.say(found.remark)


def duration(seconds: float) -> str:
    """Format a time in its natural unit.

    >>> duration(0.2), duration(47), duration(400), duration(9000), duration(400000)
    ('1 s', '47 s', '7 min', '2.5 h', '4.6 days')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s" if seconds else "0 s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
