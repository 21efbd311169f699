"""Tests that a check of many models holds one network at a time."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn

from teachmatters import registry
from teachmatters.api import ModelAdapter, ModelSource, ModelSpec
from teachmatters.errors import TeachMattersError
from teachmatters.models.networks import create
from teachmatters.models.timm.vit import TimmViT
from teachmatters.plugin.check import check
from teachmatters.plugin.checks import model
from teachmatters.plugin.checks.probes.traces import Traces, checksum
from teachmatters.plugin.findings import Finding
from teachmatters.plugin.which import smaller
from teachmatters.registry import Plugin
from tests.installing import installed
from tests.plugin.seeding import NAME, seeded

pytestmark = pytest.mark.usefixtures("here_only")

TINY = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "num_heads": 3, "depth": 3}
SECOND = """,
        ModelSpec(
            name="second", family="tmt-seed", supervision="none", summary="another", depth=24, heads=16,
            factory="tmt_seed.source:open_model", licence="none needed", source="none"
        ),
    ]
"""


def tensors() -> int:
    """Bytes of all tensors that are alive, those of views counted once."""
    gc.collect()
    found = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]  # isinstance asks proxies
    return sum({one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in found}.values())


def test_networks_are_compared_without_keeping_their_weights() -> None:
    adapter = TimmViT(create("vit_tiny_patch16_224", TINY), "tiny")
    before = tensors()
    traces = Traces(adapter)
    assert tensors() == before
    assert list(traces.differences(Traces(adapter))) == []
    next(adapter.network.parameters()).data[0, 0, 0] += 1e-6
    assert list(traces.differences(Traces(adapter))) == ["changes the parameter or buffer cls_token of network"]


@pytest.mark.parametrize(
    "values",
    [
        torch.zeros(()),
        torch.zeros(0),
        torch.arange(6.0).view(2, 3).t(),
        torch.tensor([True, False]),
        torch.ones(3, dtype=torch.bfloat16),
        torch.tensor([torch.nan, 1]),
        nn.Parameter(torch.ones(1)).expand(2, 2),
    ],
)
def test_equal_networks_have_equal_checksums_and_others_do_not(values: torch.Tensor) -> None:
    assert checksum(values) == checksum(values.detach().clone())
    assert checksum(values) != checksum(values.reshape(-1, 1))
    assert not values.numel() or checksum(values) != checksum(~values if values.dtype == torch.bool else values + 1)


def checked(folder: Path, *names: str) -> list[Finding]:
    """The findings about two models of one plugin, of which the second is large; those of these names are named."""
    with installed(folder, NAME, seeded("model", ("__init__.py", "\n    ]\n", SECOND))):
        (plugin,) = [plugin for plugin in registry.load().plugins if plugin.name == NAME]
        return check([plugin], models=[registry.load().model(name) for name in names])


def test_a_network_is_freed_before_the_next_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[weakref.ref[ModelAdapter]] = []
    build = model._built

    def watched(source: ModelSource) -> ModelAdapter:
        assert [one for one in built if one() is not None] == []
        adapter = build(source)
        held: list[object] = [adapter]
        held.append(held)  # a cycle, such as the traceback of a module that looked for another and did without
        built.append(weakref.ref(adapter))
        return adapter

    monkeypatch.setattr(model, "_built", watched)
    gc.disable()  # otherwise chance may do what the check has to
    try:
        checked(tmp_path, "second")
    finally:
        gc.enable()
    assert len(built) == 2


def test_a_large_network_is_checked_by_a_smaller_one_unless_named(tmp_path: Path) -> None:
    findings = checked(tmp_path)
    (told,) = [each for each in findings if each.status == "not checked"]
    assert (told.about, told.check) == ("model second", "weights")
    assert told.message == (
        f"it has about 302 million weights: {NAME!r}, of the same family and code, is checked instead; "
        f"'tm plugin check {NAME} --model second' checks this one too"
    )
    assert [each.status for each in findings if each.about == f"model {NAME}" and each.check == "preflight"] == ["ok"]
    findings = checked(tmp_path / "again", "second")
    wrong = [(each.about, each.check, each.message.split()[0]) for each in findings if each.status == "wrong"]
    assert wrong == [("model second", "shape", "depth"), ("model second", "shape", "heads")]


def test_a_large_network_without_a_smaller_one_is_checked() -> None:
    def spec(name: str, heads: int, factory: str = "m:f", family: str = "f") -> ModelSpec:
        return ModelSpec(name=name, family=family, supervision="", summary="", factory=factory, depth=24, heads=heads)

    large, small = spec("l", 16), spec("s", 6)
    others = [spec("other-code", 6, factory="m:g"), spec("other-family", 6, family="g"), spec("nothing-known", 0)]
    plugin = Plugin("p", "p", "1", specs={"register_models": [large, *others]})
    assert smaller(large, plugin) is None
    plugin.specs["register_models"].append(small)
    assert smaller(large, plugin) is small
    assert smaller(small, plugin) is None


def test_a_model_is_checked_with_its_own_plugin(tmp_path: Path) -> None:
    with installed(tmp_path, NAME, seeded("command")):
        (plugin,) = [plugin for plugin in registry.load().plugins if plugin.name == NAME]
        with pytest.raises(TeachMattersError) as told:
            check([plugin], models=[registry.load().model("mini-dino")])
    assert str(told.value) == (
        "the model 'mini-dino' belongs to the plugin 'models', which is not among those to check; "
        "'tm plugin check models --model mini-dino' checks it"
    )
