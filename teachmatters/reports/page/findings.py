"""The first screen of the page: findings as sentences, generated from the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teachmatters.errors import listing
from teachmatters.reports import titles
from teachmatters.reports.run import Report
from teachmatters.reports.tables import captions, frames

Row = dict[str, Any]
SURE = 0.95  # share of resamples in which the best model must stay the best
BASELINES = ("none", "noise")


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence, and the report that it is taken from."""

    text: str
    report: str


def findings(reports: Mapping[str, Report]) -> list[Finding]:
    """Return the findings of the reports of a page; missing reports give none.

    Args:
        reports: by name, of which ``best-layers``, ``attention-distance`` and ``heads`` are read.
    """
    found: list[Finding] = []
    if best := reports.get("best-layers"):
        tasks = _tasks(best)
        found += [Finding(text, "best-layers") for text in (*_leaders(tasks), *_noise(tasks), *_depth(tasks))]
        found += [Finding(text, "best-layers") for text in _untrained(tasks)]
    if distance := reports.get("attention-distance"):
        found += [Finding(text, "attention-distance") for text in _attention(distance)]
    if heads := reports.get("heads"):
        found += [Finding(text, "heads") for text in _heads(heads)]
    return found


Tasks = Mapping[str, Sequence[Row]]


def _tasks(report: Report) -> Tasks:
    """Return the rows of each task with two models or more, the best first."""
    every = frames.records(report.rows)
    found: dict[str, list[Row]] = {}
    several = [part for part in ("dataset", "protocol", "split") if part in frames.differing(every)]
    for row, mark in zip(every, frames.setting_marks(every), strict=True):
        facts = report.options.of(row["metric"])
        name = " / ".join([facts.title or facts.name, *frames.parts(row, several)]) + mark
        found.setdefault(name, []).append(row)
    order = {metric: place for place, metric in enumerate(report.options.metrics)}
    ranked = sorted(found.items(), key=lambda item: order.get(item[1][0]["metric"], 0))
    sign = {True: -1.0, False: 1.0}
    return {
        name: sorted(rows, key=lambda row: sign[bool(row["higher_is_better"])] * row["value"])
        for name, rows in ranked
        if len(rows) > 1
    }


def _leaders(tasks: Tasks) -> Iterable[str]:
    """Yield the tasks on which each model is best, with score and layer."""
    firsts: dict[str, list[str]] = {}
    for name, rows in tasks.items():
        best = rows[0]
        firsts.setdefault(titles.with_supervision(best), []).append(f"{name} ({_score(best)}, layer {best['layer']})")
    for model, won in sorted(firsts.items(), key=lambda item: -len(item[1])):
        yield f"{model} is best on {len(won)} of {len(tasks)} tasks: {'; '.join(won)}."


def _noise(tasks: Tasks) -> Iterable[str]:
    """Yield the leads that may be chance, and the tasks that have no interval."""
    sure, unsure, unknown = [], [], []
    for name, rows in tasks.items():
        wins = rows[0].get("wins")
        if wins is None:
            unknown.append(name)
        elif wins < SURE:
            unsure.append(
                f"{name}, {_short(rows[0])} before {_short(rows[1])} (best in {100 * wins:.1f} % of resamples)"
            )
        else:
            sure.append(name)
    if sure:
        yield f"Beyond noise (best in {100 * SURE:.0f} % of resamples or more): {'; '.join(sure)}."
    if unsure:
        yield f"Within noise, so the best model is uncertain: {'; '.join(unsure)}."
    if unknown:
        yield f"Unknown, because the store has no scores of single images, pairs or objects: {'; '.join(unknown)}."


def _depth(tasks: Tasks) -> Iterable[str]:
    """Yield how often the last layer is not the best one, beyond noise."""
    trained = [row for rows in tasks.values() for row in rows if _is_trained(row) and row["depth"]]
    early = [row for row in trained if row["layer"] < row["depth"]]
    if not early:
        return
    known = [row for row in trained if row.get("tied_layers")]
    clear = [row for row in known if row["depth"] not in map(int, row["tied_layers"].split(","))]
    text = f"The best layer is before the last one in {len(early)} of {len(trained)} cases (a model on a task)"
    yield text + (
        f"; of the {len(known)} with an interval, the last layer is clearly worse in {len(clear)}." * bool(known) or "."
    )


def _untrained(tasks: Tasks) -> Iterable[str]:
    """Yield the trained models that score below an untrained network."""
    below = []
    for name, rows in tasks.items():
        bases = [row for row in rows if row["family"].endswith("random")]
        worse = [_short(row) for base in bases[:1] for row in rows[rows.index(base) + 1 :] if _is_trained(row)]
        if worse:
            below.append(f"{listing(worse)} on {name}")
    if below:
        yield f"Below the untrained network: {'; '.join(below)}."


def _attention(report: Report) -> Iterable[str]:
    """Yield where the mean attention distance is shortest and longest, against uniform attention."""
    from teachmatters.reports.builtin.attention.attention_distance import UNIFORM, uniform_distance

    drawn = report.drawn_rows
    means = [row for row in frames.records(drawn[drawn["head"].isna()]) if _is_trained(row)]
    if not means:
        return
    ends = [pick(means, key=lambda row: row["value"]) for pick in (min, max)]
    near, far = (f"{_short(row)} (layer {row['layer']}, {frames.number(row['value'])})" for row in ends)
    level = uniform_distance(means[0].get("grid"))
    metric = captions.named(report.options.of(means[0]["metric"]))
    text = f"Heads look nearest in {near} and farthest in {far}, by the mean {metric}"
    yield text + (f"; {UNIFORM} has {frames.number(level)}." if level is not None else ".")


def _heads(report: Report) -> Iterable[str]:
    """Yield how many heads of each model are not global."""
    counts: dict[str, list[int]] = {}
    for row in frames.records(report.drawn_rows):
        held = counts.setdefault(_short(row), [0, 0])
        held[0] += row["type"] != "global"
        held[1] += 1
    local = sorted(((model, some, every) for model, (some, every) in counts.items() if some), key=lambda one: -one[1])
    if local:
        none = [model for model, (some, _) in counts.items() if not some]
        text = ", ".join(f"{model} {some} of {every}" for model, some, every in local)
        yield f"Heads that attend to a region around the query or along an axis: {text}" + (
            f"; {', '.join(none)} none." if none else "."
        )


def _is_trained(row: Row) -> bool:
    return row["supervision"] not in BASELINES and not (row["family"] or "").endswith(("random", "noise"))


def _short(row: Row) -> str:
    return titles.display_name(row["model"], row["family"])


def _score(row: Row) -> str:
    return frames.number(row["value"], row["unit"] or "") + (" %" if row["unit"] == "percent" else "")
