"""The registry: looks up models, data sets, analyses, reports and commands by name."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from teachmatters.api import (
    AnalysisSpec,
    CommandSpec,
    DatasetSpec,
    ModelSpec,
    ReportSpec,
    Size,
    check_size,
    no_size,
    split_size,
)
from teachmatters.errors import TeachMattersError, UnknownNameError, listing
from teachmatters.registry.plugins import Plugin, discover
from teachmatters.registry.references import call
from teachmatters.registry.validate import SUITES, problem

Spec = TypeVar("Spec")


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """An analysis and its requested metrics; ``suite``: whether it was requested as part of a suite."""

    analysis: AnalysisSpec
    metrics: frozenset[str]
    suite: bool = False


class Registry:
    """Specs by name, in the order of registration, built-ins first."""

    def __init__(self, plugins: list[Plugin]) -> None:
        self.plugins = plugins
        self.models: dict[str, ModelSpec] = _settle(plugins, "register_models")
        self.datasets: dict[str, DatasetSpec] = _settle(plugins, "register_datasets")
        self.analyses: dict[str, AnalysisSpec] = _settle(plugins, "register_analyses")
        self.reports: dict[str, ReportSpec] = _settle(plugins, "register_reports")
        self.commands: dict[str, CommandSpec] = _settle(plugins, "register_commands")
        self.aliases = {alias: spec for spec in reversed(self.models.values()) for alias in spec.aliases}

    def model(self, name: str) -> ModelSpec:
        """Return a model by name, alias or prefix, with the size of ``NAME@SIZE``."""
        base, size = split_size(name)
        spec = self.models.get(base) or self.aliases.get(base)
        if spec is not None and not spec.name.endswith("/"):
            return spec if size is None else _at_size(spec, size)
        prefixes = [p for p in self.models if p.endswith("/") and name.startswith(p) and name != p]
        if prefixes:
            return _resolved(self.models[max(prefixes, key=len)], name)
        if spec is not None:
            raise TeachMattersError(f"{name!r} is a prefix and needs a name behind it: {spec.summary}")
        raise self._unknown_model(name)

    def _unknown_model(self, name: str) -> TeachMattersError:
        """Return the error for an unknown name; it suggests our name if another library uses the given one."""
        base, sign, _ = name.rpartition("@")
        if sign and (base in self.models or base in self.aliases):
            return no_size(name)
        advice = f"'tm models --all' lists all {len(self.models)}."
        suggestion = call("teachmatters.models.spellings:suggest", name, list(self.models.values()))
        known = () if suggestion else (*self.models, *self.aliases)
        return self.unknown("model", name, known, f"{suggestion}{advice}")

    def unknown(self, kind: str, name: str, known: Iterable[str], advice: str) -> UnknownNameError:
        """Return the error for an unknown name: what it is instead, or the nearest known name, then the advice."""
        instead = self.instead(kind, name)
        return UnknownNameError(kind, name, () if instead else known, f"{instead}{advice}")

    def instead(self, kind: str, name: str) -> str:
        """Return a sentence about a name of another kind, such as a metric given as a report; else an empty text."""
        metrics = [metric.name for spec in self.analyses.values() for metric in spec.metrics]
        shown = (
            f"'tm report metric --metric {name}' shows it" if kind in ("report", "command") else "give it with --metric"
        )
        uses = {
            "model": ((*self.models, *self.aliases), "give it with --model"),
            "data set": (self.datasets, "give it with --data"),
            "metric": (metrics, shown),
            "analysis": (self.analyses, shown),
            "report": (self.reports, f"'tm report {name}' shows it"),
            "command": (self.commands, f"'tm {name} --help' describes it"),
        }
        for other, (names, use) in uses.items():
            if name in names:
                return f"It is {'an' if other[0] in 'aeiou' else 'a'} {other}: {use}. "
        return ""

    def match_models(self, pattern: str) -> list[ModelSpec]:
        """Return the models of a name or a pattern such as ``mini-*``."""
        if not any(sign in pattern for sign in "*?[") or pattern in self.models:
            return [self.model(pattern)]
        base, size = split_size(pattern.lower())
        found = [spec for name, spec in self.models.items() if not name.endswith("/") and fnmatchcase(name, base)]
        found = [spec if size is None else _at_size(spec, size) for spec in found]
        if not found:
            families = listing(sorted({spec.family for spec in self.models.values()}))
            raise TeachMattersError(f"no model matches {pattern!r}; families: {families}; 'tm models --all' lists all")
        return found

    def dataset(self, name: str) -> DatasetSpec:
        """Return a data set by name."""
        return self._named(self.datasets, "data set", name, "tm datasets")

    def report(self, name: str) -> ReportSpec:
        """Return a report by name."""
        return self._named(self.reports, "report", name, "tm report")

    def _named(self, specs: dict[str, Spec], kind: str, name: str, command: str) -> Spec:
        if name in specs:
            return specs[name]
        raise self.unknown(kind, name, specs, f"{command!r} lists all {len(specs)}.")

    def requests(self, name: str) -> list[AnalysisRequest]:
        """Resolve ``--metric NAME``: an analysis, else ``analysis:metric`` or a metric, else a suite."""
        if name in self.analyses:
            spec = self.analyses[name]
            return [AnalysisRequest(spec, frozenset(metric.name for metric in spec.metrics))]
        wanted, _, metric = name.rpartition(":")
        for spec in self.analyses.values():
            if wanted in ("", spec.name) and any(m.name == metric for m in spec.metrics):
                return [AnalysisRequest(spec, frozenset({metric}))]
        if name in SUITES:
            members = [spec for spec in self.analyses.values() if name in spec.suites]
            if not members:
                able = [suite for suite in SUITES if any(suite in spec.suites for spec in self.analyses.values())]
                raise TeachMattersError(f"suite {name!r} has no analysis yet; suites with analyses: {listing(able)}")
            return [AnalysisRequest(spec, frozenset(m.name for m in spec.metrics), suite=True) for spec in members]
        metrics = [m.name for spec in self.analyses.values() for m in spec.metrics]
        known = [*metrics, *self.analyses, *SUITES]
        raise self.unknown("metric", name, known, f"'tm metrics --all' lists all {len(metrics)}.")


@functools.cache
def load() -> Registry:
    """Return the registry of everything installed; it is made once per process."""
    return Registry(discover())


def _at_size(spec: ModelSpec, size: Size) -> ModelSpec:
    """Return a model for images of another size.

    Raises:
        TeachMattersError: the model has only one size, or the size is not a multiple of its patch size.
    """
    text = f"{size[0]}" if size[0] == size[1] else f"{size[0]}x{size[1]}"
    name = f"{spec.name}@{text}"
    if not spec.resizable:
        raise TeachMattersError(f"{name}: this model takes one size only; leave '@{text}' out")
    if spec.patch_size:
        check_size(name, size, spec.patch_size)
    summary = f"{spec.summary.removesuffix(f' at {spec.image_size}')} at {text}"
    return replace(spec, name=name, aliases=(), summary=summary, image_size=min(size))


def _resolved(prefix: ModelSpec, name: str) -> ModelSpec:
    """Return the model that a prefix resolves a name to."""
    spec = call(prefix.resolve, name)
    if not isinstance(spec, ModelSpec):
        wrong: str | None = f"it must be a ModelSpec, not {type(spec).__name__}"
    elif (wrong := problem(spec)) is None:
        return spec
    raise TeachMattersError(f"{prefix.resolve!r}, named by a plugin, returned no valid model for {name!r}: {wrong}")


def _settle(plugins: list[Plugin], hook: str) -> dict[str, Any]:
    """Return specs by name. If a name is offered twice, the built-in is used, and neither of two plugins."""
    offers: dict[str, list[tuple[Plugin, Any]]] = {}
    for plugin in plugins:
        for spec in plugin.specs.get(hook, []):
            for name in _claims(spec):
                offers.setdefault(name, []).append((plugin, spec))
    refused: set[int] = set()
    for name, claims in offers.items():
        if len(claims) > 1:
            refused |= _refuse(name, claims)
    settled = {}
    for plugin in plugins:
        plugin.specs[hook] = [spec for spec in plugin.specs.get(hook, []) if id(spec) not in refused]
        settled.update({spec.name: spec for spec in plugin.specs[hook]})
    return settled


def _claims(spec: Any) -> set[str]:
    """Return every name of a spec; an analysis may share its name with one of its metrics."""
    metrics = {metric.name for metric in getattr(spec, "metrics", ()) if not isinstance(metric, str)}
    return {spec.name, *getattr(spec, "aliases", ()), *metrics}


def _refuse(name: str, claims: list[tuple[Plugin, Any]]) -> set[int]:
    owners = [f"{plugin.distribution} ({plugin.name})" for plugin, _ in claims]
    keeper = next((spec for plugin, spec in claims if plugin.built_in), None)
    rule = "the built-in stays" if keeper else "neither is used"
    for plugin, spec in claims:
        if spec is not keeper:
            plugin.problems.append(f"the name {name!r} is offered by {' and by '.join(owners)}: {rule}")
    return {id(spec) for _, spec in claims if spec is not keeper}
