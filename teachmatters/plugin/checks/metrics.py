"""Check the descriptions of metrics, which must set every fact explicitly."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from teachmatters.api import AnalysisSpec, MetricSpec
from teachmatters.plugin.findings import CheckList
from teachmatters.plugin.source import place
from teachmatters.registry import load

# Fields that the author must set in spite of their defaults; only the source shows whether they were set.
EXPLICIT = {
    "higher_is_better": "its direction: True, False, or None for no direction",
    "unit": "its unit, such as 'percent'; '' for a pure number",
}


def check_metrics(sheet: CheckList, spec: AnalysisSpec) -> None:
    """Check title, summary, direction, unit and bounds, and the default data set of the analysis."""
    with sheet.check("metrics") as tell:
        for metric in spec.metrics:
            for message in _of_metric(metric):
                tell(f"{metric.name}: {message}", sheet.package.place_of_spec("MetricSpec", metric.name))
            for message, where in _unsaid(sheet, metric):
                tell(f"{metric.name}: {message}", where)
    with sheet.check("default data") as tell:
        for name in (spec.default_data, *spec.paper_data):
            data = load().datasets.get(name)
            if data is None:
                tell(f"the data set {name!r} does not exist")
            elif not spec.metrics_on(data.kinds):
                tell(f"the data set {name!r} offers no {' or '.join(spec.kinds)}")


def _of_metric(metric: MetricSpec) -> Iterator[str]:
    for field in ("title", "summary"):
        if not getattr(metric, field).strip():
            yield f"its {field} is empty"
    low, high = metric.bounds
    if low is not None and high is not None and low >= high:
        yield f"its bounds {metric.bounds} are empty"
    if len(set(metric.protocols)) < len(metric.protocols):
        yield f"its protocols {metric.protocols} are not all different"
    if metric.level == "map" and metric.headline:
        yield "it is of level map, which has no headline: headline=False"


def _unsaid(sheet: CheckList, metric: MetricSpec) -> Iterator[tuple[str, str]]:
    """Yield the explicit fields that no call for this metric sets."""
    calls = list(sheet.package.calls("MetricSpec"))
    own = [(file, call) for file, call in calls if _name(call) == metric.name]
    own = own or [(file, call) for file, call in calls if _name(call) is None]
    for field, what in EXPLICIT.items():
        if own and not any(_says(call, field) for _, call in own):
            file, call = own[0]
            yield f"nothing sets {what} ({field}=)", place(file, call.lineno)


def _name(call: ast.Call) -> str | None:
    """Return the name that a call gives, None if it is not a literal."""
    value = next((word.value for word in call.keywords if word.arg == "name"), None)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _says(call: ast.Call, field: str) -> bool:
    return any(word.arg in (field, None) for word in call.keywords)  # None stands for **more, which may set it
