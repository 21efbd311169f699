"""Looking things up: exact, by alias, prefix and pattern, and what is said when nothing answers."""

from __future__ import annotations

import pytest

from teachmatters import registry
from teachmatters.errors import TeachMattersError, UnknownNameError


def test_a_family_alone_is_its_b16() -> None:
    assert registry.load().model("dino").name == "dino-b16"
    assert registry.load().model("mae").name == "mae-b16"


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
    assert [(r.analysis.name, sorted(r.metrics)) for r in load.requests("knn")] == [("knn", ["knn-top1", "knn-top5"])]
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
        ("model", "dino-b61", "unknown model 'dino-b61'. Did you mean 'dino-b16'? 'tm models' lists all"),
        ("model", "timm/", "'timm/' is a prefix: put behind it what it takes, which is any vision transformer of timm"),
        ("dataset", "fotos", "unknown data set 'fotos'. Did you mean 'photos'? 'tm datasets' lists all"),
        ("report", "best-layer", "unknown report 'best-layer'. Did you mean 'best-layers'? 'tm report' lists all"),
    ],
)
def test_an_unknown_name_is_helped(kind: str, name: str, words: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        getattr(registry.load(), kind)(name)
    assert words in str(caught.value)
