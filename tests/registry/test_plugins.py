"""Plugins that break in every way: reported by name and distribution, never fatal, never silent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.registry import Plugin, Registry, load_object
from teachmatters.registry.plugins import discover

SPEC = """
from teachmatters import hookimpl
from teachmatters.api import ModelSpec, AnalysisSpec, MetricSpec, CommandSpec

def model(name, **more):
    return ModelSpec(name=name, family="mine", supervision="none", summary="a model", factory="nowhere:build", **more)
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a plugin of one module, as pip would leave it: the module beside its dist-info."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("TM_LOAD_PLUGINS")

    def write(name: str, body: str, entry: str = "") -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(SPEC + body)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[teachmatters]\n{entry or name} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return write


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
def test_a_broken_plugin_is_reported_and_harms_nobody(install: Install, body: str, words: str) -> None:
    install("tmt-broken", body)
    install("tmt-good", "@hookimpl\ndef register_models():\n    return [model('mine-s16')]\n")
    registry, plugin = found("tmt-broken")
    assert len(plugin.problems) == 1
    assert words in plugin.problems[0]
    assert registry.model("mine-s16").family == "mine"
    assert registry.model("dino-b16").family == "dino"


def test_what_is_good_of_a_half_broken_plugin_is_used(install: Install) -> None:
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


def test_between_two_plugins_neither_is_used_and_both_are_named(install: Install) -> None:
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


def test_a_metric_that_exists_refuses_the_analysis(install: Install) -> None:
    install(
        "tmt-metric",
        "@hookimpl\ndef register_analyses():\n    return [AnalysisSpec(name='mine', summary='', factory='', metrics=("
        "MetricSpec(name='knn-top1', title='', summary=''),))]\n",
    )
    registry, plugin = found("tmt-metric")
    assert "mine" not in registry.analyses
    assert "'knn-top1'" in plugin.problems[0]


def test_an_analysis_may_share_its_name_with_its_metric(install: Install) -> None:
    install(
        "tmt-same",
        "@hookimpl\ndef register_analyses():\n    return [AnalysisSpec(name='mine', summary='', factory='', metrics=("
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


def test_what_a_spec_names_must_exist() -> None:
    for reference in ("no.such:thing", "teachmatters.errors:no_such", "teachmatters.errors"):
        with pytest.raises(TeachMattersError, match="cannot be loaded"):
            load_object(reference)
