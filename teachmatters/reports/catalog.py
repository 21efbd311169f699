"""What a store holds, and the names in it that an option means."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from teachmatters.errors import NothingToShowError, TeachMattersError, UnknownNameError, listing
from teachmatters.reports.options import MetricInfo
from teachmatters.store import location
from teachmatters.store.location import StoreLocation
from teachmatters.store.public import storable
from teachmatters.store.reader import query
from teachmatters.store.values import check_store

TIMEOUT = 300.0
"""Seconds for a query of ours: patience for a store of many millions of rows."""

# One row a run and model. The tables know the family without a walk through results.
_RUNS = """
SELECT run.model, model.name, run.dataset, run.setting, run.analysis, model.family, run.finished_at
FROM run_facts AS run
JOIN models AS model ON model.id = run.model_id
UNION ALL
SELECT run.other_model, model.name, run.dataset, run.setting, run.analysis, model.family, run.finished_at
FROM run_facts AS run
JOIN models AS model ON model.id = run.other_model_id
WHERE run.other_model <> '' AND run.other_model <> run.model
ORDER BY finished_at
"""
_FACTS = """
SELECT name, analysis, title, unit, higher_is_better, lower, upper, main_protocol, level,
    EXISTS (SELECT 1 FROM results WHERE metric = metrics.name AND results.analysis = metrics.analysis) AS has_numbers
FROM metrics
ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a store holds.

    Attributes:
        path: the file.
        models: labels, each with its family.
        names: labels, each with the model's own name.
        data, settings: data sets and settings.
        analyses: analyses, newest first, each with the data sets that it was made on, newest first.
        facts: metrics, each with its facts.
    """

    path: StoreLocation
    models: Mapping[str, str]
    names: Mapping[str, str]
    data: tuple[str, ...]
    settings: tuple[str, ...]
    analyses: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, MetricInfo]

    def find_models(self, given: Iterable[str]) -> tuple[str, ...]:
        """Labels meant by labels, patterns or families."""
        families: dict[str, list[str]] = {}
        for label, family in self.models.items():
            families.setdefault(family, []).append(label)
        return self._find("model", given, list(self.models), families)

    def find_metrics(self, given: Iterable[str]) -> tuple[str, ...]:
        """Return the metrics meant by metrics, patterns, ``analysis:metric``, analyses or suites."""
        wanted: list[str] = []
        for name in map(storable, given):
            if ":" in name:
                meant = [fact.name for fact in self.facts.values() if fnmatchcase(f"{fact.analysis}:{fact.name}", name)]
            else:
                analyses = {name, *_suite(name)}
                meant = [fact.name for fact in self.facts.values() if fact.analysis in analyses]
            wanted += meant or [name]
        return self._find("metric", wanted, list(self.facts), {})

    def find_data(self, given: Iterable[str]) -> tuple[str, ...]:
        """Data sets meant by names or patterns."""
        return self._find("data set", given, list(self.data), {})

    def find_setting(self, given: str) -> str:
        """A setting that the store holds; the empty one needs no run.

        Raises:
            TeachMattersError: no run has it.
        """
        given = storable(given)
        if given and given not in self.settings:
            named = [repr(setting) for setting in self.settings if setting]
            held = f"it holds {listing(named)}, and defaults" if named else "every run there has all defaults"
            raise TeachMattersError(f"no run in {self.path.name} has the setting {given!r}; {held}.")
        return given

    def command(self, *metrics: str, models: Sequence[str] = (), data: Sequence[str] = ()) -> str:
        """Return the command that would measure metrics of the models on the data sets.

        Args:
            metrics: names in the store, or of metrics that it lacks.
            models: labels, all of which it measures; without any the first of the store, or one that needs no weights.
            data: data sets; without any those that the first metric's analysis was made on last, if it was made.
        """
        labels = models or [*self.names][:1]
        chosen = [self._asked_for(label) for label in labels] or ["random-s16"]
        # Under a label of its own a model usually has weights of its own, and without them it would be another.
        files = [f"{label}=FILE" for label in labels if self.names.get(label, label) != label]
        facts = self.facts.get(metrics[0]) if metrics else None
        known = self.analyses.get(facts.analysis, ())[:1] if facts else ()
        options = [
            ("--model", chosen),
            ("--weights", files),
            ("--metric", [*map(self.spelled, metrics)]),
            ("--data", data or known),
        ]
        words = [f" {option} {shlex.quote(value)}" for option, values in options for value in values]
        return f"tm analyze{''.join(words)}{db_option(self.path)}"

    def advice(self, metric: str, verb: str, models: Sequence[str], data: Sequence[str]) -> str:
        """Return the command that would measure a metric, or which of the data sets cannot have it.

        Args:
            metric: a name.
            verb: what the command would do, ``would measure it``.
            models: labels, as for ``command``.
            data: data sets, as for ``command``.
        """
        if lacking := _cannot_have(metric, data):
            return f"{listing(lacking)} has nothing that {metric} could be measured on: 'tm datasets' lists what has"
        return f"'{self.command(metric, models=models, data=data)}' {verb}"

    def _asked_for(self, label: str) -> str:
        """Return what ``--model`` takes for a model of the store to come under its label again."""
        name = self.names.get(label, label)
        return name if label == name else f"{label}={name}"

    def spelled(self, metric: str) -> str:
        """What ``--metric`` takes for this metric alone: the bare name may be that of a whole analysis."""
        return f"{self.facts[metric].analysis}:{metric}" if metric in self.analyses and metric in self.facts else metric

    def _find(
        self, kind: str, given: Iterable[str], held: list[str], groups: Mapping[str, list[str]]
    ) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in map(storable, given):
            matches = [name] if name in held else [one for one in held if fnmatchcase(one, name)]
            matches = matches or groups.get(name, [])
            if not matches:
                raise self._not_held(kind, name, held, [*held, *filter(None, groups)])
            found.update(dict.fromkeys(matches))
        return tuple(found)

    def _not_held(self, kind: str, name: str, held: list[str], known: list[str]) -> TeachMattersError:
        """Return the error of a name that the store lacks: there is no such thing, or nothing was measured of it."""
        from teachmatters.registry import load

        tool = load()
        metrics = [metric.name for spec in tool.analyses.values() for metric in spec.metrics]
        names = {
            "model": [*tool.models, *tool.aliases],
            "metric": [*tool.analyses, *metrics],
            "data set": [*tool.datasets],
        }
        if name in names[kind]:
            return NothingToShowError(
                f"{self.path.name} has no numbers of the {kind} {name!r} yet; it holds {listing(held)}."
            )
        if any(sign in name for sign in "*?["):
            return TeachMattersError(f"no {kind} in {self.path.name} matches {name!r}; it holds {listing(held)}.")
        return UnknownNameError(kind, name, known, f"{self.path.name} holds {listing(held)}.")


def _suite(name: str) -> list[str]:
    """Return the analyses of a suite, none if there is no such suite."""
    from teachmatters.registry import load

    return [spec.name for spec in load().analyses.values() if name in spec.suites]


def _cannot_have(metric: str, data: Iterable[str]) -> list[str]:
    """Return those of the data sets that hold nothing a metric could be measured on, as far as their specs tell."""
    from teachmatters.registry import load

    tool = load()
    specs = [spec for spec in tool.analyses.values() if any(each.name == metric for each in spec.metrics)]
    known = [tool.datasets[name] for name in data if name in tool.datasets]
    return [each.name for each in known if specs and not any(metric in spec.metrics_on(each.kinds) for spec in specs)]


def db_option(path: StoreLocation) -> str:
    """What a command needs to mean this store: nothing where it would without."""
    try:
        usual = location.reading_path(None)[0]
    except TeachMattersError:
        usual = None
    return "" if path == usual else f" --db {shlex.quote(str(path))}"


def read_catalog(path: StoreLocation) -> Catalog:
    """Look into a store.

    Raises:
        TeachMattersError: it holds no run, or is not a store.
    """
    check_store(path)
    found = query(path, _RUNS, timeout=TIMEOUT)
    runs = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if not runs:
        raise TeachMattersError(
            f"{path} holds no results yet; 'tm analyze --model random-s16 --metric knn-top1{db_option(path)}' measures "
            "the first ones."
        )
    families = {run["model"]: run["family"] for run in runs if run["family"]}
    return Catalog(
        path=path,
        models={label: families.get(label, "") for label in sorted({run["model"] for run in runs})},
        names={run["model"]: run["name"] for run in runs},
        data=tuple(sorted({run["dataset"] for run in runs})),
        settings=tuple(sorted({run["setting"] for run in runs})),
        analyses=_analyses(reversed(runs)),
        facts=_read_facts(path),
    )


def _analyses(runs: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        found.setdefault(run["analysis"], {})[run["dataset"]] = None
    return {name: tuple(data) for name, data in found.items()}


def _read_facts(path: StoreLocation) -> dict[str, MetricInfo]:
    """Of a metric that was measured with several texts the newest counts."""
    rows = query(path, _FACTS)
    every = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    for fact in every:
        better = fact["higher_is_better"]
        fact.update(higher_is_better=None if better is None else bool(better), has_numbers=bool(fact["has_numbers"]))
    return {fact["name"]: MetricInfo(**fact) for fact in every}
