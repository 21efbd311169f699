"""The content of a store, and the names that options select from it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from teachmatters.errors import NothingToShowError, TeachMattersError, listing
from teachmatters.reports.options import MetricInfo
from teachmatters.store import location
from teachmatters.store.location import StoreLocation
from teachmatters.store.public import storable
from teachmatters.store.reader import query
from teachmatters.store.values import check_store

TIMEOUT = 300.0  # seconds for our own queries; a store may have many millions of rows

# One row per run and model. The tables have the family, so there is no need to scan results.
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
    """The content of a store.

    Attributes:
        path: the file.
        models: the family of each label.
        names: the model's own name of each label.
        data, settings: data sets and settings.
        analyses: the data sets of each analysis, both newest first.
        settings_of: the settings of each model, data set and analysis.
        facts: the facts about each metric.
    """

    path: StoreLocation
    models: Mapping[str, str]
    names: Mapping[str, str]
    data: tuple[str, ...]
    settings: tuple[str, ...]
    analyses: Mapping[str, tuple[str, ...]]
    settings_of: Mapping[tuple[str, str, str], frozenset[str]]
    facts: Mapping[str, MetricInfo]

    def find_models(self, given: Iterable[str]) -> tuple[str, ...]:
        """Return the labels that labels, patterns or families select."""
        families: dict[str, list[str]] = {}
        for label, family in self.models.items():
            families.setdefault(family, []).append(label)
        return self._find("model", given, list(self.models), families)

    def find_metrics(self, given: Iterable[str]) -> tuple[str, ...]:
        """Return the metrics that metrics, patterns, ``analysis:metric``, analyses or suites select."""
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
        """Return the data sets that names or patterns select."""
        return self._find("data set", given, list(self.data), {})

    def find_settings(self, given: str) -> tuple[str, ...]:
        """Return the settings that a setting or a pattern selects; the empty one is always valid.

        Raises:
            TeachMattersError: no run has it.
        """
        given = storable(given)
        if not given or given in self.settings:
            return (given,)
        if matches := tuple(setting for setting in self.settings if fnmatchcase(setting, given)):
            return matches
        named = [repr(setting) for setting in self.settings if setting]
        held = f"it holds {listing(named)}, and defaults" if named else "every run there uses the defaults"
        raise TeachMattersError(f"no run in {self.path.name} has the setting {given!r}; {held}.")

    def find_setting(self, given: str) -> str:
        """Return the setting that a setting or a pattern selects.

        Raises:
            TeachMattersError: no run has it, or the pattern matches several.
        """
        first, *others = self.find_settings(given)
        if others:
            several = listing(repr(setting) if setting else "the defaults" for setting in (first, *others))
            raise TeachMattersError(
                f"--setting {given!r} matches {several}, but this report shows only one; give its full name."
            )
        return first

    def command(self, *metrics: str, models: Sequence[str] = (), data: Sequence[str] = ()) -> str:
        """Return the command that measures metrics of the models on the data sets.

        Args:
            metrics: names in the store, or metrics that it lacks.
            models: labels to measure. Default: the first of the store, or a model that needs no weights.
            data: data sets. Default: the latest data set of the first metric's analysis, if there is one.
        """
        labels = models or [*self.names][:1]
        chosen = [self._model_option(label) for label in labels] or ["random-s16"]
        # A model with its own label usually has its own weights; without them the command would measure another model.
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
        """Return the command that measures a metric, or the data sets that cannot have it.

        Args:
            metric: a name.
            verb: the predicate of the sentence, such as ``would measure it``.
            models: labels, as for ``command``.
            data: data sets, as for ``command``.
        """
        if lacking := _cannot_have(metric, data):
            return f"{listing(lacking)} does not have the data that {metric} needs; 'tm datasets' lists those that do"
        return f"'{self.command(metric, models=models, data=data)}' {verb}"

    def _model_option(self, label: str) -> str:
        """Return the ``--model`` value that measures a model of the store under its label."""
        name = self.names.get(label, label)
        return name if label == name else f"{label}={name}"

    def spelled(self, metric: str) -> str:
        """Return the ``--metric`` value for this metric alone; its bare name may also be an analysis."""
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
        """Return the error for a name that the store lacks: unknown, or known but not measured."""
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
        return tool.unknown(kind, name, known, f"{self.path.name} holds {listing(held)}.")


def _suite(name: str) -> list[str]:
    """Return the analyses of a suite, none if there is no such suite."""
    from teachmatters.registry import load

    return [spec.name for spec in load().analyses.values() if name in spec.suites]


def _cannot_have(metric: str, data: Iterable[str]) -> list[str]:
    """Return the data sets that, by their specs, lack the kinds that a metric needs."""
    from teachmatters.registry import load

    tool = load()
    specs = [spec for spec in tool.analyses.values() if any(each.name == metric for each in spec.metrics)]
    known = [tool.datasets[name] for name in data if name in tool.datasets]
    return [each.name for each in known if specs and not any(metric in spec.metrics_on(each.kinds) for spec in specs)]


def db_option(path: StoreLocation) -> str:
    """Return the ``--db`` option that selects this store; empty if it is the default, or the one that is only read."""
    try:
        usual = location.reading_path(None)[0]
    except TeachMattersError:
        usual = None
    return "" if path in (usual, location.bundled_path()) else f" --db {shlex.quote(str(path))}"


def read_catalog(path: StoreLocation) -> Catalog:
    """Read the catalog of a store.

    Raises:
        TeachMattersError: it has no runs, or is not a store.
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
        settings_of=_settings_of(runs),
        facts=_read_facts(path),
    )


def _analyses(runs: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        found.setdefault(run["analysis"], {})[run["dataset"]] = None
    return {name: tuple(data) for name, data in found.items()}


def _settings_of(runs: Iterable[Mapping[str, str]]) -> dict[tuple[str, str, str], frozenset[str]]:
    found: dict[tuple[str, str, str], set[str]] = {}
    for run in runs:
        found.setdefault((run["model"], run["dataset"], run["analysis"]), set()).add(run["setting"])
    return {cell: frozenset(settings) for cell, settings in found.items()}


def _read_facts(path: StoreLocation) -> dict[str, MetricInfo]:
    """Read the facts about each metric; the newest version counts."""
    rows = query(path, _FACTS)
    facts = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    for fact in facts:
        better = fact["higher_is_better"]
        fact.update(higher_is_better=None if better is None else bool(better), has_numbers=bool(fact["has_numbers"]))
    return {fact["name"]: MetricInfo(**fact) for fact in facts}
