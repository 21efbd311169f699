"""Tests of lookups: exact, by alias, prefix and pattern, and errors for unknown names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from teachmatters import registry
from teachmatters.errors import TeachMattersError, UnknownNameError


def test_a_family_name_means_its_b16() -> None:
    assert registry.load().model("dino").name == "dino-b16"
    assert registry.load().model("mae").name == "mae-b16"


def test_a_family_without_a_b_means_its_smallest() -> None:
    assert registry.load().model("ijepa").name == "ijepa-h14"
    assert registry.load().model("dinov2").name == "dinov2-b14"


def test_every_name_takes_a_size() -> None:
    load = registry.load()
    spec = load.model("dinov2-s14@518")
    assert (spec.name, spec.size, spec.image_size) == ("dinov2-s14@518", (518, 518), 518)
    assert spec.summary == "DINOv2 ViT-S/14 at 518"
    assert load.model("dinov2@56x28").name == "dinov2-b14@56x28"
    assert load.model("supervised-l16-384@224").summary == "supervised ViT-L/16 at 224"
    assert load.model("timm/vit_small_patch16_224.dino@448x224").size == (448, 224)
    assert {each.size for each in load.match_models("mini-*@128")} == {(128, 128)}
    for name in [name for name, each in load.models.items() if each.factory.startswith("teachmatters.models")]:
        side = 3 * load.models[name].patch_size
        assert load.model(f"{name}@{side}x{2 * side}").size == (side, 2 * side)


def test_a_size_that_is_not_a_multiple_of_the_patch_is_refused() -> None:
    load = registry.load()
    for name, near in (("dinov2-s14@500", "490 and 504"), ("timm/vit_base_patch16_224@224x7", "16 and 32")):
        with pytest.raises(TeachMattersError, match=f"not a multiple of 1[46], .* the nearest are {near}"):
            load.model(name)
    with pytest.raises(TeachMattersError, match="'0' is not a size; write @384"):
        load.model("dino-s16@0")
    spec = replace(load.model("dino-s16"), resizable=False)
    load.models["rigid"] = spec
    try:
        with pytest.raises(TeachMattersError, match="takes one size only; leave '@32' out"):
            load.model("rigid@32")
    finally:
        del load.models["rigid"]


def test_a_prefix_resolves() -> None:
    spec = registry.load().model("timm/vit_small_patch16_224.dino")
    assert spec.name == "timm/vit_small_patch16_224.dino"


def test_a_pattern_means_the_listed_names() -> None:
    names = [spec.name for spec in registry.load().match_models("dino-*")]
    assert names == ["dino-s16", "dino-s8", "dino-b16", "dino-b8"]
    with pytest.raises(TeachMattersError, match="no model matches 'dinosaur-\\*'"):
        registry.load().match_models("dinosaur-*")


def test_a_metric_is_looked_up_as_an_analysis_then_a_metric_then_a_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load()
    knn = ["knn-top1", "knn-top1-chance", "knn-top5", "knn-top5-chance"]
    assert [(r.analysis.name, sorted(r.metrics)) for r in load.requests("knn")] == [("knn", knn)]
    assert [sorted(r.metrics) for r in load.requests("knn-top5")] == [["knn-top5"]]
    assert [sorted(r.metrics) for r in load.requests("knn:knn-top5")] == [["knn-top5"]]
    assert {r.analysis.name for r in load.requests("paper")} >= {"attention", "knn"}
    assert all(r.suite for r in load.requests("why"))
    for wrong in ("attention:knn-top5", "knn:", "knn-top"):
        with pytest.raises(UnknownNameError):
            load.requests(wrong)
    monkeypatch.setattr(load, "analyses", {"knn": load.analyses["knn"]})
    with pytest.raises(TeachMattersError, match="suite 'what' has no analysis"):
        load.requests("what")


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("model", "dino-b61", "unknown model 'dino-b61'. Did you mean 'dino-b16'? 'tm models --all' lists all"),
        ("model", "timm/", "'timm/' is a prefix and needs a name behind it: any vision transformer of timm"),
        ("dataset", "fotos", "unknown data set 'fotos'. Did you mean 'photos'? 'tm datasets' lists all"),
        ("report", "best-layer", "unknown report 'best-layer'. Did you mean 'best-layers'? 'tm report' lists all"),
        (
            "report",
            "knn-top1",
            "'knn-top1'. It is a metric: 'tm report metric --metric knn-top1' shows it. 'tm report'",
        ),
        ("report", "rank", "unknown report 'rank'. It is an analysis: 'tm report metric --metric rank' shows it."),
        ("requests", "best-layers", "'best-layers'. It is a report: 'tm report best-layers' shows it. 'tm metrics"),
        ("dataset", "mini-dino", "unknown data set 'mini-dino'. It is a model: give it with --model. 'tm datasets'"),
        ("model", "scenes", "unknown model 'scenes'. It is a data set: give it with --data. 'tm models --all'"),
        ("report", "query", "unknown report 'query'. It is a command: 'tm query --help' describes it. 'tm report'"),
    ],
)
def test_an_unknown_name_gets_suggestions(kind: str, name: str, words: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        getattr(registry.load(), kind)(name)
    assert words in str(caught.value)
