"""Tests of the documentation against the code: everything is documented, and what is documented exists and runs."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy
import pytest
import typer
from typer.core import TyperGroup

from teachmatters import hookspecs, registry
from teachmatters.analyses.specs import register_analyses
from teachmatters.api import AnalysisSpec, MetricSpec, Record, Result, StoredMap
from teachmatters.cli.app import LazyCommand, app
from teachmatters.registry.plugins import Plugin, _load, discover
from teachmatters.store import VIEWS, Store, query
from tests.pages import (
    DOCS,
    PAGES,
    ROOT,
    SNIPPET,
    blocks,
    prose,
    section,
)
from tests.store import samples


def command_tree(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, its module imported."""
    command = command.real() if isinstance(command, LazyCommand) else command
    yield name, command
    if isinstance(command, TyperGroup):
        for part in command.list_commands(typer.Context(command)):
            yield from command_tree(command.get_command(typer.Context(command), part), f"{name} {part}")


SHARED = {"-v", "--verbose", "-q", "--quiet"}  # of every command: documented once, under "## tm"
GROUPS = {"tm db", "tm cache", "tm plugin"}
GENERATED = re.compile(r"<!-- Written by docs/generate.py.*?<!-- to here -->", re.DOTALL)
COMMANDS = dict(command_tree(typer.main.get_command(app), "tm"))


# ---------------------------------------------------------------- what exists is documented
@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in GROUPS])
def test_every_command_and_option_is_documented(name: str) -> None:
    text = section(DOCS / "commands.md", f"## {name}")
    options = [option for parameter in COMMANDS[name].params for option in [*parameter.opts, *parameter.secondary_opts]]
    if name != "tm":
        options = [option for option in options if option not in SHARED]
    missing = [option for option in options if option.startswith("-") and not re.search(rf"`{option}[ `]", text)]
    assert missing == []


def test_every_option_in_the_tables_exists() -> None:
    for name, command in COMMANDS.items():
        if name in GROUPS:
            continue
        text = section(DOCS / "commands.md", f"## {name}")
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        known |= {*SHARED, "--help"} if name == "tm" else set()
        told = set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
        assert told <= known, name


def test_every_hook_is_documented_with_what_it_returns() -> None:
    hooks = {name: function for name, function in vars(hookspecs).items() if name.startswith("register_")}
    assert hooks.keys() == registry.HOOKS.keys()
    text = section(DOCS / "plugins" / "index.md", "## The five hooks")
    for name, function in hooks.items():
        assert f"`{name}() -> {function.__annotations__['return']}`" in text


@pytest.mark.parametrize("spec", register_analyses(), ids=lambda spec: spec.name)
def test_every_metric_has_a_formula_and_every_source_a_title(spec: AnalysisSpec) -> None:
    """The tables between marks come from the specs; these two are written by hand."""
    page = DOCS / "measures.md"
    formulas = re.findall(r"^\| (`.+?) \| .", GENERATED.sub("", section(page, f"## {spec.name}")), re.MULTILINE)
    written = re.findall(r"`([\w.-]+)`", " ".join(formulas)) + re.findall(r"^### (.+)$", prose(page), re.MULTILINE)
    assert {metric.name for metric in spec.metrics} <= set(written)
    sources = {source for metric in spec.metrics for source in metric.source.split("; ") if source}
    assert sources <= set(re.findall(r"^- (.+?), \*", section(page, "## Sources"), re.MULTILINE))


@pytest.mark.parametrize("spec", registry.load().datasets.values(), ids=lambda spec: spec.name)
def test_every_data_set_is_documented(spec: Any) -> None:
    text = section(DOCS / "data.md", f"## {spec.name}")
    assert all(f"`{parameter.name}`" in text for parameter in spec.parameters)
    assert f"| `{spec.name}` |" in prose(DOCS / "data.md")


def test_every_model_is_documented_with_its_licence() -> None:
    table = section(DOCS / "models.md", "## Families")
    rows = {row.split("`")[1]: row for row in table.splitlines() if row.startswith("| `")}
    models = registry.load().models.values()
    assert rows.keys() == {spec.family for spec in models}
    for spec in models:
        name = f"{spec.name}<id>" if spec.name.endswith("/") else spec.name
        assert f"`{name}`" in rows[spec.family]
        assert spec.licence in rows[spec.family]


def test_every_report_is_documented() -> None:
    text = section(DOCS / "commands.md", "## tm report")
    assert all(f"| `{name}` |" in text for name in registry.load().reports)


@pytest.mark.parametrize("view", VIEWS)
def test_every_column_of_a_view_is_documented_and_no_other(view: str) -> None:
    told = re.findall(r"^\| `(\w+)` \|", section(DOCS / "reference/views.md", f"## {view}"), re.MULTILINE)
    columns = list(VIEWS[view])
    assert told == (columns[-1:] if view == "all_results" else columns)


def nothing() -> list[object]:
    return []


def needs_an_argument(argument: object) -> list[object]:
    return [argument]


class Hooks:
    """A plugin of the given hooks."""

    def __init__(self, **hooks: Any) -> None:
        for name, hook in hooks.items():
            setattr(self, name, hookspecs.hookimpl(hook))


BROKEN: list[Callable[[], object]] = [
    lambda: importlib.import_module("nowhere"),
    lambda: Hooks(register_model=nothing),
    lambda: Hooks(register_models=needs_an_argument),
    lambda: Hooks(register_models=lambda: [registry.load().models["tiny"]]),
    lambda: Hooks(register_models=lambda: registry.load().models["dino-b16"]),
    lambda: Hooks(register_models=lambda: ["dino"]),
    lambda: Hooks(register_models=lambda: [dataclasses.replace(registry.load().models["dino-b16"], name="my model")]),
    lambda: SimpleNamespace(TEACHMATTERS_API=3),
    lambda: Hooks(register_models=nothing),
]


def test_the_documented_output_for_a_broken_plugin() -> None:
    """The words on the page are those of the registry, in the order of BROKEN."""
    told = re.findall(
        r"^\| .*? \| `(.*)` \|$", section(DOCS / "plugins" / "index.md", "## When a plugin is broken"), re.MULTILINE
    )
    assert len(told) == len(BROKEN) + 2
    for words, load in zip(told, BROKEN, strict=False):  # the names offered twice come after these
        manager = pluggy.PluginManager(hookspecs.GROUP)
        manager.add_hookspecs(hookspecs)
        plugin = Plugin("broken", "tm-broken", "0")
        _load(manager, plugin, load)
        beginning, more, _ = words.partition("...")
        assert plugin.problems[0].startswith(beginning)
        assert more or plugin.problems == [words]


# ---------------------------------------------------------------- links
def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.is_file(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(path), f"{page.name}: {target}"
        if DOCS in page.parents:  # mkdocs publishes nothing else
            assert path.resolve().is_relative_to(DOCS)


def test_the_readmes_links_to_the_repository_resolve() -> None:
    # The package index shows the README, too, so its links and images are absolute.
    text = prose(ROOT / "README.md")
    own = re.findall(r"\]\(https://(?:github|raw\.githubusercontent)\.com/teachmatters/teachmatters/([^)\s]+)\)", text)
    for path in (re.sub(r"^(blob/)?main/", "", each) for each in own):
        name, _, anchor = path.partition("#")
        assert (ROOT / name).is_file(), path
        assert not anchor or anchor in anchors(ROOT / name), path
    assert own
    assert re.findall(r"\]\((?!https://)[^)]*\)", text) == []


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    told = re.findall(r"[-:] ([\w/-]+\.md)$", text, re.MULTILINE)
    assert all((DOCS / name).is_file() for name in told)
    assert set(told) >= {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"performance.md"}


@pytest.mark.parametrize("page", [page for page in PAGES if SNIPPET in page.read_text("utf-8")], ids=lambda p: p.name)
def test_every_included_snippet_exists(page: Path) -> None:
    for block in blocks(page):
        if SNIPPET not in block.text:
            continue
        name, _, part = block.text.removeprefix(SNIPPET).strip(' "\n').partition(":")
        assert name == block.title, "on a code host the heading is all that tells where the code lies"
        lines = [line.strip() for line in (ROOT / name).read_text("utf-8").splitlines()]
        places = [lines.index(f"# {SNIPPET} [{end}:{part}]") for end in ("start", "end") if part]
        assert places == sorted(places), block.text


# ---------------------------------------------------------------- the store's page
@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two models with both analyses, one of them measured twice."""
    facts = {metric.name: metric for spec in registry.load().analyses.values() for metric in spec.metrics}
    path = tmp_path / "results.db"
    with Store.open(path) as opened:
        for shift, label in enumerate(("dino-b16", "mae-b16", "dino-b16")):
            record(opened, label, "attention", [facts["attn-distance"]], distances(0.1 * shift))
            record(
                opened, label, "knn", [facts["knn-top1"]], accuracies(10.0 * shift), parameters={"temperature": 0.07}
            )
    return path


def record(store: Store, label: str, analysis: str, metrics: list[MetricSpec], result: Result, **facts: Any) -> None:
    store.record(samples.run(*metrics, of=samples.model(label), analysis=analysis, **facts), result)


def distances(shift: float) -> Result:
    return Result(
        records=[
            Record(metric="attn-distance", layer=layer, head=head, value=0.3 + shift + layer / 100, std=0.1, n=13)
            for layer in range(1, 13)
            for head in range(13)
        ]
    )


def accuracies(shift: float) -> Result:
    import numpy as np

    records = [
        Record(metric="knn-top1", layer=layer, category=category, value=50.0 + shift + layer, std=40.0, n=20)
        for layer in range(1, 13)
        for category in ("", "k=10", "k=20")
    ]
    right = np.array([100, 0], dtype=np.uint8)
    maps = [
        StoredMap(name="unit:knn-top1", layer=layer, axes=("unit",), array=right, units=("a", "b"))
        for layer in range(1, 13)
    ]
    return Result(records=records, maps=maps)


def test_the_stores_python_runs(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    (block,) = blocks(DOCS / "store.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block.text, "store.md", "exec"), names)
    assert len(names["results"]) == len(query(store, "SELECT 1 FROM results").rows)
    assert names["right"].tolist() == [100, 0]


def test_the_notebooks_python_runs(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    names: dict[str, Any] = {}
    for block in blocks(DOCS / "notebooks.md", "python"):
        exec(compile(block.text, "notebooks.md", "exec"), names)
    assert names["best"]["layer"].tolist() == [12, 12]
    assert names["over_layers"].shape == (12, 2)
    assert names["right"].tolist() == [100, 0]
    assert len(names["everything"]) == len(query(store, "SELECT 1 FROM results").rows)
    assert (store.parent / "distance.pdf").stat().st_size > 1000


# ---------------------------------------------------------------- the plugin's page
def test_every_hook_has_an_example_of_the_package_that_has_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TM_LOAD_PLUGINS", "tm-token-norm")
    (plugin,) = [plugin for plugin in discover() if not plugin.built_in]
    assert {hook for hook, specs in plugin.specs.items() if specs} == set(registry.HOOKS)
    page = (DOCS / "plugins" / "index.md").read_text("utf-8")
    for hook, contract in registry.HOOKS.items():
        _, _, text = page.partition(f"### `{hook}() -> list[{contract.__name__}]`\n")
        shown = f'{SNIPPET} "plugins/tm-token-norm/tm_token_norm/__init__.py:{hook.removeprefix("register_")}"'
        assert shown in text.partition("\n#")[0]


def spec_of(path: Path) -> Any:
    return importlib.util.spec_from_file_location(path.stem, path)


def test_the_tutorials_code_is_included_from_the_packages() -> None:
    """A line that only resembles an inclusion would be shown as it is."""
    lines = [line for page in (DOCS / "plugins").glob("*.md") for line in page.read_text("utf-8").splitlines()]
    included = [line for line in lines if re.match(r"\s*--\s*8", line)]
    assert len(included) > 15
    for line in included:
        found = re.fullmatch(r'--8<-- "([^":]+)(?::([\w-]+))?"', line)
        assert found, line
        text = (ROOT / found[1]).read_text("utf-8")
        assert not found[2] or f"--8<-- [start:{found[2]}]" in text, line
