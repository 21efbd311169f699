"""Where stores say different things about the same thing. Nothing is lost for it; which of the two is shown is said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from teachmatters.errors import listing
from teachmatters.store.merge.content import FACTS, NUMBER, Clash, Content, columns
from teachmatters.store.merge.target import Queryable
from teachmatters.store.schema import Metric

ResultKey: TypeAlias = tuple[Any, ...]
"""Of numbers in the view ``results``: model, other model, data set, split, analysis, setting, metric, protocol."""

_PLACES = """
SELECT
    run.model, run.other_model, run.dataset, run.split, run.analysis, run.setting, metric.name, recorded.protocol,
    run.id, run.finished_at
FROM recorded
JOIN run_facts AS run ON run.id = recorded.run_id
JOIN metrics AS metric ON metric.id = recorded.metric_id
"""
_CELL = {
    "model's weights": "weights",
    "other model's weights": "weights of the other model",
    "fingerprint": "images (fingerprint)",
    "analysis_version": "version of the analysis",
    "parameters": "parameters",
    "limit_n": "limit",
    "seed": "seed",
    "dtype": "dtype",
}
"""Parts of a cell that are not part of the place, in words."""

_VALUE = NUMBER.index("value")
_CIRCUMSTANCES = ("device", "n_items", "n_skipped", "git_commit")
_WORDING = {"title", "summary", "source"}
_KEPT = "every run keeps its own, and reports go by the run that finished last"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two stores that differ.

    Attributes:
        what: the runs' place, or the metric.
        why: how they differ, and which is shown.
        run_ids: of the runs, the one that is shown first; none for facts of a metric.
    """

    what: str
    why: str
    run_ids: tuple[str, ...] = ()


# ---------------------------------------------------------------- two runs with one id
def of_ids(clash: Clash) -> Conflict:
    """Of two runs with one id, one of which got an id of its own."""
    both = zip(FACTS, clash.here.facts, clash.there.facts, strict=True)
    differ = [name for name, here, there in both if here != there and name != "cell_key"]
    parts = {"recorded": "facts of metrics", "numbers": "numbers", "arrays": "arrays"}
    differ += [words for name, words in parts.items() if getattr(clash.here, name) != getattr(clash.there, name)]
    why = (
        f"two runs have this id and differ in {listing(differ)}. Both stay: the later one keeps it, the other is now "
        f"run {clash.own}"
    )
    return Conflict(f"run {clash.run_id}", why, (clash.run_id, clash.own))


# ---------------------------------------------------------------- two runs for one place
@dataclass(frozen=True, slots=True)
class Side:
    """One of two stores that are set beside each other.

    Attributes:
        connection: reads it.
        runs: its runs by their key, under the ids that they have in the target.
    """

    connection: Queryable
    runs: Mapping[int, str]

    def newest(self) -> dict[ResultKey, tuple[str, str, int]]:
        """For every place the run that finished last: when, its id and its key."""
        newest: dict[ResultKey, tuple[str, str, int]] = {}
        for *place, key, when in self.connection.execute(_PLACES):
            run = (when, self.runs[key], key)
            newest[tuple(place)] = max(run, newest.get(tuple(place), run))
        return newest


def of_places(here: Side, there: Side, passed_over: set[str]) -> list[Conflict]:
    """Of runs of two stores that would stand in the same place with something else, and are not in both.

    Args:
        here: the target, before anything is added.
        there: the source.
        passed_over: ids of runs that have been told of.
    """
    ours, theirs = here.newest(), there.newest()
    both = {*here.runs.values()} & {*there.runs.values()} | passed_over
    pairs: dict[tuple[int, int], list[ResultKey]] = {}
    for place, (_, name, key) in theirs.items():
        _, mine, mine_key = ours.get(place, ("", "", 0))
        if mine and not {name, mine} & both:
            pairs.setdefault((mine_key, key), []).append(place)
    found = []
    for (one, other), places in pairs.items():
        run, rival = Content.of(here.connection, one), Content.of(there.connection, other)
        if how := _difference(run, rival, places):
            runs = {here.runs[one]: run, there.runs[other]: rival}
            found.append(_conflict(runs, places[0], how))
    return found


def _conflict(runs: dict[str, Content], place: ResultKey, how: str) -> Conflict:
    model, other, data, _, analysis, setting, *_ = place
    what = ", ".join([f"{model} and {other}" if other else model, data, analysis, *filter(None, [setting])])
    shown, hidden = sorted(runs, key=lambda run: (runs[run].finished_at, run), reverse=True)
    when = runs[shown].finished_at[:19].replace("T", " ")
    why = f"{how}. Shown is the later run, {shown} of {when} UTC; {hidden} stays in all_results"
    return Conflict(what, why, (shown, hidden))


def _difference(here: Content, there: Content, places: list[ResultKey]) -> str:
    """How two runs differ that claim the same places, empty if they say the same."""
    one, other = (dict(zip(FACTS, content.facts, strict=True)) for content in (here, there))
    metrics = {(metric, protocol) for *_, metric, protocol in places}
    if one["cell_key"] != other["cell_key"]:
        differ = [words for name, words in _CELL.items() if one[name] != other[name]]
        return f"not the same {listing(differ or ['cell'])} ({listing(sorted({name for name, _ in metrics}), 4)})"
    numbers = _numbers(here, there, metrics)
    return numbers and "; ".join([numbers, *_circumstances(one, other)])


def _numbers(here: Content, there: Content, metrics: set[tuple[str, str]]) -> str:
    """How far the numbers of some metrics are apart, empty where they are equal."""
    one, other = (
        {(*metric, *row[:_VALUE]): row[_VALUE:] for metric in metrics for row in run.numbers[metric]}
        for run in (here, there)
    )
    every = one.keys() | other.keys()
    differ = [key for key in every if one.get(key) != other.get(key)]
    gaps = [(abs(one[key][0] - other[key][0]), key) for key in differ if key in one and key in other]
    if not differ:
        return ""
    gap, (metric, _, layer, *_) = max(gaps, default=(0.0, ("", "", 0)))
    largest = f", by up to {gap:.3g} ({metric}, layer {layer})" if gaps else ""
    return f"{len(differ):,} of {len(every):,} numbers differ{largest}"


def _circumstances(here: dict[str, Any], there: dict[str, Any]) -> Iterator[str]:
    """What else was different, and may be why."""
    one, other = (
        {**{name: run[name] for name in _CIRCUMSTANCES}, **json.loads(run["versions"])} for run in (here, there)
    )
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            yield f"{name} {one.get(name) or 'none'} and {other.get(name) or 'none'}"


# ---------------------------------------------------------------- facts of a metric
def of_metrics(source: Queryable, target: Queryable, added: Iterable[int]) -> list[Conflict]:
    """Of metrics that runs to be added were measured with, and whose facts are not the target's latest."""
    theirs, ours = _facts(source), _facts(target)
    measured = "SELECT metric_id FROM recorded WHERE run_id = ?"
    keys = {key for run in added for (key,) in source.execute(measured, (run,))}
    found: list[Conflict] = []
    wordings: list[str] = []
    for facts in (theirs[key] for key in sorted(keys)):
        known = [other for other in ours.values() if all(other[name] == facts[name] for name in ("analysis", "name"))]
        if not known or facts in known or known[-1] in theirs.values():
            continue
        differ = [f"{name} {known[-1][name]!r} and {facts[name]!r}" for name in facts if facts[name] != known[-1][name]]
        differ = [each for each in differ if each.partition(" ")[0] not in _WORDING]
        if differ:
            found.append(Conflict(f"metric {facts['name']}", f"{listing(differ)}: {_KEPT}"))
        else:
            wordings.append(facts["name"])
    if wordings:
        found.append(Conflict(f"metric {listing(wordings)}", f"title, summary or source reads differently: {_KEPT}"))
    return found


def _facts(connection: Queryable) -> dict[int, dict[str, Any]]:
    names = columns(Metric, "id")
    rows = connection.execute(f"SELECT id, {', '.join(names)} FROM metrics ORDER BY id")
    return {key: dict(zip(names, values, strict=True)) for key, *values in rows}
