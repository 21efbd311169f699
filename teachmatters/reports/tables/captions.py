"""The lines below a report: its data, its settings, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from teachmatters.api import ReportSpec
from teachmatters.errors import listing
from teachmatters.reports.catalog import Catalog
from teachmatters.reports.options import MetricInfo, Options
from teachmatters.store.reader import Rows

# With more than MANY metrics, the caption counts them, and names at most NAMED of those in percent.
MANY, NAMED = 4, 6


def caption(data: Rows, options: Options, catalog: Catalog) -> list[str]:
    """Return lines with the metrics, data sets, settings and missing models, as far as the query has their columns."""
    lines = [*_sides(data, options, catalog), *([_metrics(data, options)] if "metric" in data.columns else [])]
    lines += _sets(data)
    single = _one_row_each(data)
    lines += _settings(single, options.settings) + _other_settings(single, options, catalog)
    shown = {model for (model,) in _distinct(data, ("model",))}
    wanted = options.models or tuple(catalog.models)
    missing = [model for model in wanted if shown and model not in shown]
    if missing:
        lines.append(f"Without these numbers: {', '.join(missing)}")
    return lines


def _sides(data: Rows, options: Options, catalog: Catalog) -> list[str]:
    """Return the two sides that a comparison chose by itself, and the rule."""
    for first, second in _distinct(data, ("first", "second"))[:1]:
        if first == second:
            return [f"{first} under two settings: that of --setting or the defaults, and the newest of the others"]
        if len(options.models) != 2 and len(catalog.models) > 2:
            return [
                f"Of {len(catalog.models)} models, the two measured last that share a metric: {first} and {second}; "
                "give --model twice for others"
            ]
    return []


def others(spec: ReportSpec, asked: Options, found: Options, catalog: Catalog) -> list[str]:
    """Return a line with the other metrics, if a report of any metric chose one by itself."""
    rest = [name for name, fact in catalog.facts.items() if fact.has_numbers and name not in found.metrics]
    if asked.metrics or spec.metrics or spec.directed or not rest:
        return []
    return [f"This is the newest metric with numbers; --metric shows others: {listing(map(catalog.spelled, rest), 12)}"]


def nothing(
    spec: ReportSpec, options: Options, catalog: Catalog, elsewhere: Rows | None = None, *, fits: bool = True
) -> str:
    """Return why there is nothing to show, and a command that helps.

    ``elsewhere`` holds the layers and heads that exist; ``fits`` is whether the report can show these metrics for any
    models and data.
    """
    metrics = options.metrics or spec.metrics
    if why := _not_for_it(spec, options, catalog, fits):
        return why
    wanted = [f"report {spec.name!r}"]
    for word, values in (
        ("metric", metrics),
        ("model", options.models),
        ("data", options.data),
        ("layers", options.layers),
        ("heads", options.heads),
    ):
        wanted += [f"{word} {listing(map(str, values))}"] if values else []
    advice = ""
    if metrics:
        advice = f"; {catalog.advice(metrics[0], 'would measure it', options.models, options.data)}"
    if elsewhere and elsewhere.rows:
        advice = f"; there are {', '.join(_extent(elsewhere))}"
    return f"{catalog.path} has no numbers for {', '.join(wanted)}{advice}."


def _not_for_it(spec: ReportSpec, options: Options, catalog: Catalog, fits: bool) -> str:
    """Return why a report cannot show these metrics; empty if it can."""
    metrics = options.metrics or spec.metrics
    facts = [options.of(name) for name in metrics]
    numbers = bool(facts) and all(name in options.facts and options.of(name).has_numbers for name in metrics)
    of_arrays = bool(spec.metrics) and all(options.of(name).level == "map" for name in spec.metrics)
    arrays = [fact for fact in facts if fact.level == "map"]
    if metrics and not of_arrays and (not any(fact.has_numbers for fact in facts) or (spec.least > 1 and arrays)):
        return _without_numbers(arrays or facts)
    if of_arrays and facts and all(fact.has_numbers for fact in facts):
        shown = catalog.spelled(metrics[0])
        return f"{listing(metrics)} consists of numbers, not maps; 'tm report metric --metric {shown}' shows it."
    if spec.directed and metrics and all(fact.higher_is_better is None for fact in facts):
        some = [fact.name for fact in catalog.facts.values() if fact.higher_is_better is not None and fact.has_numbers]
        return (
            f"{listing(metrics)} has no direction, so no best layer; metrics with a direction in {catalog.path.name}: "
            f"{listing(some)}. 'tm report metric --metric {catalog.spelled(metrics[0])}' shows it over the layers."
        )
    if spec.least > 1 and not (options.models or options.data or options.layers):
        command = catalog.command(*metrics)
        return f"no model in {catalog.path.name} has {listing(metrics)} on the same layers; '{command}' measures one."
    if not fits and numbers:
        shown = " ".join(f"--metric {catalog.spelled(name)}" for name in metrics)
        return f"report {spec.name!r} cannot show {listing(metrics)}; 'tm report metric {shown}' can."
    return ""


def _extent(data: Rows) -> list[str]:
    """Return the range of the layers, and of the heads, as texts."""
    found = []
    for name in ("layer", "head"):
        numbers = [number for (number,) in _distinct(data, (name,)) if number is not None]
        found += [f"{name}s {min(numbers)} to {max(numbers)}"] if numbers else []
    return found


def _without_numbers(facts: list[MetricInfo]) -> str:
    """Return why recorded metrics have no row in ``results``."""
    what = listing(fact.name for fact in facts)
    if all(fact.level == "map" for fact in facts):
        return f"{what} consists of arrays; 'tm query \"SELECT model, name, layer, axes, shape FROM maps\"' lists them."
    notes = 'tm query "SELECT model, analysis, notes FROM runs"'
    return f"{what} has no number for any measured model; '{notes}' may show why."


def named(fact: MetricInfo) -> str:
    """Return the title of a metric and its unit.

    >>> named(MetricInfo(name="knn-top1", title="k-NN top-1", unit="percent")), named(MetricInfo(name="toy"))
    ('k-NN top-1, percent', 'toy')
    """
    return ", ".join(filter(None, (fact.title or fact.name, fact.unit)))


def _metrics(data: Rows, options: Options) -> str:
    """Return a line with the names of the metrics, their titles and units."""
    held = {name for column in ("metric", "other_metric") for (name,) in _distinct(data, (column,))}
    names = sorted(held, key=lambda name: (options.metrics.index(name) if name in options.metrics else -1, name))
    if len(names) > MANY:
        percent = [name for name in names if options.of(name).unit == "percent"]
        units = f"; in percent: {listing(percent, NAMED)}" if percent else ""
        return f"{len(names)} metrics, 'tm metrics NAME' explains one{units}"
    texts = []
    for name in names:
        said = named(options.of(name)) if options.of(name).title else ""
        texts.append(f"{name} ({said})" if said else str(name))
    return "Metric: " + "; ".join(texts)


def _sets(data: Rows) -> list[str]:
    """Return a line with each data set, and its splits if it has any."""
    splits: dict[str, list[str]] = {}
    for name, split in sorted(_distinct(data, ("dataset", "split"))):
        splits.setdefault(name, []).append(split)
    for (name,) in _distinct(data, ("other_dataset",)):
        splits.setdefault(name, ["all"])
    texts = [name if each == ["all"] else f"{name} ({', '.join(each)})" for name, each in splits.items()]
    return [f"Data: {', '.join(texts)}"] if texts else []


def _one_row_each(data: Rows) -> Rows:
    """Split rows of two models or two metrics into one row each, except for one model under two settings."""
    sides = [("first_setting", "first", "metric", "dataset"), ("second_setting", "second", "metric", "dataset")]
    if "other_setting" in data.columns:
        sides = [("setting", "model", "metric", "dataset"), ("other_setting", "model", "other_metric", "other_dataset")]
    elif not (models := _distinct(data, ("first", "second"))) or any(first == second for first, second in models):
        return data
    rows = [row for side in sides for row in _distinct(data, side)]
    return Rows(["setting", "model", "metric", "dataset"], rows, data.truncated)


# The columns that a setting may depend on; the first that suffice are used.
_CELLS = (("model", "dataset"), ("model", "metric", "dataset"), ("model", "other_model", "metric", "dataset"))


def _settings(data: Rows, asked: Collection[str]) -> list[str]:
    """Return a line for each setting other than the selected ones, with the rows that have it."""
    if "setting" not in data.columns:
        return []
    ways = [tuple(name for name in cell if name in data.columns) for cell in _CELLS]
    told = (cell for cell in ways if len(_distinct(data, ("setting", *cell))) == len(_distinct(data, cell)))
    every = _distinct(data, ("setting", *next(told, ways[-1])))
    cells: dict[str, dict[str, None]] = {}
    for setting, *what in every:
        cells.setdefault(setting or "", {})[" ".join(str(part) for part in what if part is not None)] = None
    if len(cells) == 1 and set(cells) <= set(asked):
        return [f"Setting: {setting}" for setting in cells if setting]
    if len(asked) > 1:  # the headings tell which number is of which
        return [f"Settings: {'; '.join(setting or 'defaults' for setting in sorted(cells))}"]
    lines = []
    for setting, whose in cells.items():
        if len(whose) == len(every):
            lines.append(f"Setting: {setting or 'defaults'}")
        elif setting not in asked:
            lines.append(f"Setting {setting or 'defaults'}: {listing(whose)}")
    return lines


def _other_settings(data: Rows, options: Options, catalog: Catalog) -> list[str]:
    """Return the settings under which the store holds more numbers of what is shown."""
    held: set[str] = set()
    for model, metric, dataset in _distinct(data, ("model", "metric", "dataset")):
        held |= catalog.settings_of.get((model, dataset, options.of(metric).analysis), frozenset())
    hidden = sorted(held - {setting or "" for (setting,) in _distinct(data, ("setting",))})
    named = listing(repr(setting) if setting else "the defaults" for setting in hidden)
    return [f"Not shown: numbers of {named}; choose with --setting"] if hidden else []


def _distinct(data: Rows, columns: Iterable[str]) -> list[tuple[Any, ...]]:
    """Return the distinct values of some columns in order of appearance; empty if a column is missing."""
    if not set(columns) <= set(data.columns):
        return []
    return data.distinct(columns)
