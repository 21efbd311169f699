"""Tests of broken plugins: reported by name and distribution, never fatal, never silent."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.registry import Plugin, Registry, call, load_object
from teachmatters.registry.plugins import discover

SPEC = """
from teachmatters import hookimpl
from teachmatters.api import *

def analysis(**more):
    metrics = (MetricSpec(name="mine-1", title="", summary=""),)
    return AnalysisSpec(**{"name": "mine", "summary": "", "factory": "nowhere:A", "metrics": metrics, **more})

def model(name, **more):
    return ModelSpec(name=name, family="mine", supervision="none", summary="a model", factory="nowhere:build", **more)
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a plugin of one module, as pip would leave it: the module beside its dist-info."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("TM_LOAD_PLUGINS")
    modules = []

    def write(name: str, body: str, entry: str = "") -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(SPEC + body)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[teachmatters]\n{entry or name} = {module}\n")
        modules.append(module)

    yield write
    for each in modules:
        sys.modules.pop(each, None)


def found(name: str) -> tuple[Registry, Plugin]:
    registry = Registry([plugin for plugin in discover() if plugin.built_in or plugin.distribution.startswith("tmt-")])
    return registry, next(plugin for plugin in registry.plugins if plugin.distribution == name)


def test_the_built_ins_have_no_problems() -> None:
    registry = Registry(discover())
    assert registry.plugins
    assert all(plugin.built_in for plugin in registry.plugins)
    assert [problem for plugin in registry.plugins for problem in plugin.problems] == []
    assert {"dino-b16", "mae-b16", "random-s16", "timm/"} <= set(registry.models)
    assert {"photos", "digits", "folder", "imagenet", "imagenet50"} <= set(registry.datasets)
    assert {"attention", "knn"} <= set(registry.analyses)
    assert {"metric", "attention-distance", "best-layers"} <= set(registry.reports)


def test_a_good_plugin_is_used(install: Install) -> None:
    install("tmt-good", "@hookimpl\ndef register_models():\n    return [model('mine-s16', aliases=('mine',))]\n")
    registry, plugin = found("tmt-good")
    assert (plugin.version, plugin.problems) == ("1.2", [])
    assert registry.model("mine-s16") is registry.model("mine")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import no_such_module\n", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", "cannot be loaded: SystemExit: 3"),
        ("1 +\n", "cannot be loaded: SyntaxError"),
        ("@hookimpl\ndef register_model():\n    return []\n", "'register_model'. Did you mean 'register_models'"),
        ("@hookimpl\ndef register_models(registry):\n    return []\n", "cannot be loaded: PluginValidationError"),
        ("@hookimpl\ndef register_models():\n    return 1 / 0\n", "register_models failed: ZeroDivisionError"),
        ("@hookimpl\ndef register_models():\n    return None\n", "must return a list, not NoneType"),
        ("@hookimpl\ndef register_models():\n    return ['x']\n", "must list ModelSpec objects, not str"),
        ("@hookimpl\ndef register_models():\n    return []\n", "offers nothing"),
        ("", "offers nothing"),
    ],
)
def test_a_broken_plugin_is_reported_and_affects_no_other(install: Install, body: str, words: str) -> None:
    install("tmt-broken", body)
    install("tmt-good", "@hookimpl\ndef register_models():\n    return [model('mine-s16')]\n")
    registry, plugin = found("tmt-broken")
    assert len(plugin.problems) == 1
    assert words in plugin.problems[0]
    assert registry.model("mine-s16").family == "mine"
    assert registry.model("dino-b16").family == "dino"


def test_valid_specs_of_a_partly_broken_plugin_are_used(install: Install) -> None:
    models = "@hookimpl\ndef register_models():\n    return [model('mine-s16'), 3]\n"
    install("tmt-half", models + "@hookimpl\ndef register_datset():\n    return []\n")
    registry, plugin = found("tmt-half")
    assert "mine-s16" in registry.models
    assert len(plugin.problems) == 2


@pytest.mark.parametrize("clash", ["model('dino-b16')", "model('dino')", "model('new', aliases=('mae',))"])
def test_a_built_in_keeps_its_name(install: Install, clash: str) -> None:
    install("tmt-thief", f"@hookimpl\ndef register_models():\n    return [{clash}, model('honest')]\n")
    registry, plugin = found("tmt-thief")
    assert registry.model("dino").family == "dino"
    assert registry.model("mae").family == "mae"
    assert "honest" in registry.models
    assert "new" not in registry.models
    assert len(plugin.problems) == 1
    assert "the built-in stays" in plugin.problems[0]
    assert "tmt-thief" in plugin.problems[0]


def test_two_plugins_with_one_name_are_both_refused(install: Install) -> None:
    for name in ("tmt-one", "tmt-two"):
        # one entry point name in two distributions: neither may drop silently
        install_same = f"@hookimpl\ndef register_models():\n    return [model('same'), model('{name}-own')]\n"
        install(name, install_same, "shared")
    registry, one = found("tmt-one")
    assert "same" not in registry.models
    assert {"tmt-one-own", "tmt-two-own"} <= set(registry.models)
    two = next(plugin for plugin in registry.plugins if plugin.distribution == "tmt-two")
    for plugin in (one, two):
        assert len(plugin.problems) == 1
        assert "tmt-one (shared) and by tmt-two (shared): neither is used" in plugin.problems[0]


def test_an_analysis_with_an_existing_metric_is_refused(install: Install) -> None:
    install(
        "tmt-metric",
        "@hookimpl\ndef register_analyses():\n    return [analysis(metrics=("
        "MetricSpec(name='knn-top1', title='', summary=''),))]\n",
    )
    registry, plugin = found("tmt-metric")
    assert "mine" not in registry.analyses
    assert "'knn-top1'" in plugin.problems[0]


def test_an_analysis_may_share_its_name_with_its_metric(install: Install) -> None:
    install(
        "tmt-same",
        "@hookimpl\ndef register_analyses():\n    return [analysis(metrics=("
        "MetricSpec(name='mine', title='', summary=''), MetricSpec(name='mine-2', title='', summary='')))]\n",
    )
    registry, plugin = found("tmt-same")
    assert plugin.problems == []
    assert registry.requests("mine")[0].metrics == {"mine", "mine-2"}
    assert registry.requests("mine:mine")[0].metrics == {"mine"}


@pytest.mark.parametrize(
    ("allowed", "loaded"), [("", set()), ("tmt-a", {"tmt-a"}), ("tmt-b, tmt-a", {"tmt-a", "tmt-b"})]
)
def test_plugins_can_be_chosen(
    install: Install, monkeypatch: pytest.MonkeyPatch, allowed: str, loaded: set[str]
) -> None:
    for name in ("tmt-a", "tmt-b"):
        install(name, f"@hookimpl\ndef register_models():\n    return [model('{name}-own')]\n")
    monkeypatch.setenv("TM_LOAD_PLUGINS", allowed)
    assert {plugin.distribution for plugin in discover() if not plugin.built_in} == loaded


BAD = {
    "register_analyses": "analysis(metrics=None)",
    "register_models": "model('a model')",
    "register_datasets": "DatasetSpec(name='mine', summary='', factory='m:f', kinds=frozenset({1, 'labels'}))",
    "register_reports": "ReportSpec(name='mine', summary='', sql='mine.sql')",
    "register_commands": "CommandSpec(name='mine', summary=None, app='m:app')",
}
GOOD = {
    "register_analyses": "analysis(name='sound')",
    "register_models": "model('sound')",
    "register_datasets": "DatasetSpec(name='sound', summary='', factory='m:f', kinds=frozenset({'labels'}))",
    "register_reports": "ReportSpec(name='sound', summary='', sql='m:mine.sql')",
    "register_commands": "CommandSpec(name='sound', summary='', app='m:app')",
}


@pytest.mark.parametrize("hook", BAD)
def test_an_invalid_spec_is_skipped_and_reported(install: Install, hook: str) -> None:
    install("tmt-bad", f"@hookimpl\ndef {hook}():\n    return [{BAD[hook]}, {GOOD[hook]}]\n")
    registry, plugin = found("tmt-bad")
    assert len(plugin.problems) == 1
    assert re.match(rf"{hook}: '(mine|a model)' is left out: .* must (be|look like) ", plugin.problems[0])
    assert [spec.name for spec in plugin.specs[hook]] == ["sound"]
    assert "sound" in getattr(registry, hook.removeprefix("register_"))


def test_a_command_named_like_a_built_in_is_reported(install: Install) -> None:
    spec = "CommandSpec(name='report', summary='', app='mine:app')"
    install("tmt-command", f"@hookimpl\ndef register_commands():\n    return [{spec}]\n")
    registry, plugin = found("tmt-command")
    assert registry.commands["report"].app == "teachmatters.cli.results.report:app"
    assert plugin.specs["register_commands"] == []
    assert "'report' is offered by teachmatters (cli) and by tmt-command (tmt-command)" in plugin.problems[0]
    assert "the built-in stays" in plugin.problems[0]


@pytest.mark.parametrize(
    ("resolve", "words"),
    [
        ("lambda name: 1 / 0", "'tmt_prefix:resolve', named by a plugin, failed: ZeroDivisionError: division by zero"),
        ("lambda name: __import__('no_such_module')", "failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("lambda name: exit(3)", "failed: SystemExit: 3"),
        ("lambda name: None", "returned no valid model for 'mine/x': it must be a ModelSpec, not NoneType"),
        (
            "lambda name: model(name, heads='6')",
            "returned no valid model for 'mine/x': heads must be a whole number, not '6'",
        ),
    ],
)
def test_a_prefix_that_cannot_resolve_is_a_one_line_error(install: Install, resolve: str, words: str) -> None:
    spec = "model('mine/', resolve='tmt_prefix:resolve')"
    install("tmt-prefix", f"@hookimpl\ndef register_models():\n    return [{spec}]\nresolve = {resolve}\n")
    registry, plugin = found("tmt-prefix")
    assert plugin.problems == []
    with pytest.raises(TeachMattersError, match=re.escape(words)):
        registry.model("mine/x")


def test_a_prefixs_own_error_is_kept(install: Install) -> None:
    install(
        "tmt-prefix",
        "@hookimpl\ndef register_models():\n    return [model('mine/', resolve='tmt_prefix:resolve')]\n"
        "def resolve(name):\n    from teachmatters.errors import TeachMattersError\n"
        "    raise TeachMattersError('there is no ' + name)\n",
    )
    with pytest.raises(TeachMattersError, match=r"^there is no mine/x$"):
        found("tmt-prefix")[0].model("mine/x")


@pytest.mark.parametrize("body", ["import no_such_module", "1 / 0", "1 +", "raise SystemExit(3)"])
def test_a_module_that_cannot_be_imported_is_a_one_line_error(tmp_path: Path, install: Install, body: str) -> None:
    install("tmt-factory", "")
    (tmp_path / "tmt_heavy.py").write_text(body)
    with pytest.raises(TeachMattersError, match=r"'tmt_heavy:build', named by a plugin, cannot be loaded: [A-Z]"):
        load_object("tmt_heavy:build")


def test_a_bug_of_ours_shows_its_traceback() -> None:
    with pytest.raises(TypeError):
        call("teachmatters.errors:did_you_mean")
    with pytest.raises(TeachMattersError, match="there is no way"):
        call("tests.registry.test_plugins:no_way")


def no_way() -> None:
    raise TeachMattersError("there is no way")


def test_names_in_a_spec_must_exist() -> None:
    for reference in ("no.such:thing", "teachmatters.errors:no_such", "teachmatters.errors"):
        with pytest.raises(TeachMattersError, match="cannot be loaded"):
            load_object(reference)
