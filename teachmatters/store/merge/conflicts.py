"""Finds conflicts between stores that are merged. Both runs are kept; a conflict reports which of them is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from teachmatters.errors import listing
from teachmatters.store.merge.content import FACTS, NUMBER, Clash, Content, columns
from teachmatters.store.merge.target import Queryable
from teachmatters.store.schema import Metric

# Key of values in the view ``results``: model, other model, data set, split, analysis, setting, metric, protocol.
ResultKey: TypeAlias = tuple[Any, ...]

_RESULT_KEYS = """
SELECT
    run.model, run.other_model, run.dataset, run.split, run.analysis, run.setting, metric.name, recorded.protocol,
    run.id, run.finished_at
FROM recorded
JOIN run_facts AS run ON run.id = recorded.run_id
JOIN metrics AS metric ON metric.id = recorded.metric_id
"""
# The parts of a cell that are not part of the result key, in words.
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

_VALUE = NUMBER.index("value")
_CIRCUMSTANCES = ("device", "n_items", "n_skipped", "git_commit")
_WORDING = {"title", "summary", "source"}
_KEPT = "every run keeps its own, and reports use the run that finished last"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A difference between two stores.

    Attributes:
        what: the model, data set and analysis of the runs, or the metric.
        why: how the two differ, and which is shown.
        run_ids: ids of the runs, beginning with the one that is shown; empty for the facts of a metric.
    """

    what: str
    why: str
    run_ids: tuple[str, ...] = ()


# ---------------------------------------------------------------- two runs with one id
def of_ids(clash: Clash) -> Conflict:
    """Return the conflict of two different runs with the same id, one of which received a new id."""
    both = zip(FACTS, clash.here.facts, clash.there.facts, strict=True)
    differ = [name for name, here, there in both if here != there and name != "cell_key"]
    parts = {"recorded": "facts of metrics", "numbers": "numbers", "arrays": "arrays"}
    differ += [words for name, words in parts.items() if getattr(clash.here, name) != getattr(clash.there, name)]
    why = (
        f"two runs have this id and differ in {listing(differ)}. Both are kept: the later one keeps the id, the other "
        f"is now run {clash.own}"
    )
    return Conflict(f"run {clash.run_id}", why, (clash.run_id, clash.own))


# ---------------------------------------------------------------- two runs for one result
@dataclass(frozen=True, slots=True)
class Side:
    """One of two stores that are compared.

    Attributes:
        connection: reads the store.
        runs: for each run its key in this store and its id in the target.
    """

    connection: Queryable
    runs: Mapping[int, str]

    def newest(self) -> dict[ResultKey, tuple[str, str, int]]:
        """Return, for every result, the time, id and key of the run that finished last."""
        newest: dict[ResultKey, tuple[str, str, int]] = {}
        for *result, key, when in self.connection.execute(_RESULT_KEYS):
            run = (when, self.runs[key], key)
            newest[tuple(result)] = max(run, newest.get(tuple(result), run))
        return newest


def of_results(here: Side, there: Side, reported: set[str]) -> list[Conflict]:
    """Return the conflicts of runs that have different values for the same result and are not in both stores.

    Args:
        here: the target, before anything is added.
        there: the source.
        reported: ids of runs whose conflict was already reported.
    """
    newest_here, newest_there = here.newest(), there.newest()
    excluded = {*here.runs.values()} & {*there.runs.values()} | reported
    pairs: dict[tuple[int, int], list[ResultKey]] = {}
    for result, (_, there_id, there_key) in newest_there.items():
        _, here_id, here_key = newest_here.get(result, ("", "", 0))
        if here_id and not {there_id, here_id} & excluded:
            pairs.setdefault((here_key, there_key), []).append(result)
    conflicts = []
    for (here_key, there_key), results in pairs.items():
        run, rival = Content.of(here.connection, here_key), Content.of(there.connection, there_key)
        if how := _difference(run, rival, results):
            runs = {here.runs[here_key]: run, there.runs[there_key]: rival}
            conflicts.append(_conflict(runs, results[0], how))
    return conflicts


def _conflict(runs: dict[str, Content], result: ResultKey, how: str) -> Conflict:
    model, other, data, _, analysis, setting, *_ = result
    what = ", ".join([f"{model} and {other}" if other else model, data, analysis, *filter(None, [setting])])
    shown, hidden = sorted(runs, key=lambda run: (runs[run].finished_at, run), reverse=True)
    when = runs[shown].finished_at[:19].replace("T", " ")
    why = f"{how}. Reports use the later run, {shown} of {when} UTC; {hidden} stays in all_results"
    return Conflict(what, why, (shown, hidden))


def _difference(here: Content, there: Content, results: list[ResultKey]) -> str:
    """Describe the difference of two runs that share results; empty if their values are equal."""
    one, other = (dict(zip(FACTS, content.facts, strict=True)) for content in (here, there))
    metrics = {(metric, protocol) for *_, metric, protocol in results}
    if one["cell_key"] != other["cell_key"]:
        differ = [words for name, words in _CELL.items() if one[name] != other[name]]
        return f"not the same {listing(differ or ['cell'])} ({listing(sorted({name for name, _ in metrics}), 4)})"
    numbers = _numbers(here, there, metrics)
    return numbers and "; ".join([numbers, *_circumstances(one, other)])


def _numbers(here: Content, there: Content, metrics: set[tuple[str, str]]) -> str:
    """Describe how far the values of some metrics differ; empty if they are equal."""
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
    """Yield other differences between the runs, which may be the cause."""
    one, other = (
        {**{name: run[name] for name in _CIRCUMSTANCES}, **json.loads(run["versions"])} for run in (here, there)
    )
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            yield f"{name} {one.get(name) or 'none'} and {other.get(name) or 'none'}"


# ---------------------------------------------------------------- facts of a metric
def of_metrics(source: Queryable, target: Queryable, added: Iterable[int]) -> list[Conflict]:
    """Return the conflicts of metrics of added runs whose facts are not the latest facts in the target."""
    source_facts, target_facts = _facts(source), _facts(target)
    measured = "SELECT metric_id FROM recorded WHERE run_id = ?"
    keys = {key for run in added for (key,) in source.execute(measured, (run,))}
    found: list[Conflict] = []
    wordings: list[str] = []
    for facts in (source_facts[key] for key in sorted(keys)):
        metric = facts["analysis"], facts["name"]
        known = [other for other in target_facts.values() if (other["analysis"], other["name"]) == metric]
        if not known or facts in known or known[-1] in source_facts.values():
            continue
        differ = [f"{name} {known[-1][name]!r} and {facts[name]!r}" for name in facts if facts[name] != known[-1][name]]
        differ = [text for text in differ if text.partition(" ")[0] not in _WORDING]
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
