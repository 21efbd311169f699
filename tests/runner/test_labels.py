"""Labels and files: which belongs to which."""

from __future__ import annotations

import pytest

from teachmatters import registry
from teachmatters.errors import TeachMattersError
from teachmatters.runner.labels import labelled_models


def read(models: str, weights: str = "") -> list[tuple[str, str, str]]:
    found = labelled_models(registry.load(), models.split(), weights.split())
    return [(each.label, each.spec.name, str(each.weights or "")) for each in found]


def test_a_label_is_the_name_by_default_and_the_files_stem_with_a_file() -> None:
    assert read("dino") == [("dino-b16", "dino-b16", "")]
    assert read("dino-s16", "dir/run.7.pth") == [("dino-s16@run.7", "dino-s16", "dir/run.7.pth")]
    assert read("dino-s16", "vit-s-300ep.pth.tar")[0][0] == "dino-s16@vit-s-300ep"
    assert read("mine=dino-s16", "f.pth") == [("mine", "dino-s16", "f.pth")]


def test_files_go_to_labels_then_to_names() -> None:
    assert read("a=dino-s16 b=dino-s16", "b=2.pth a=1.pth") == [("a", "dino-s16", "1.pth"), ("b", "dino-s16", "2.pth")]
    assert read("a=dino-s16 dino-s16", "dino-s16=f") == [("a", "dino-s16", ""), ("dino-s16@f", "dino-s16", "f")]
    assert read("a=dino-s16 mae-b16", "dino-s16=f")[0] == ("a", "dino-s16", "f")


@pytest.mark.parametrize(
    ("models", "weights", "words"),
    [
        ("a=dino-s16 b=dino-s16", "dino-s16=f", "no model is labelled 'dino-s16'; labels: a, b"),
        ("dino-s16 dino-s8", "f.pth", "say LABEL=FILE"),
        ("dino-s16", "f.pth g.pth", "one file a model"),
        ("dino-s16 dino-s16", "", "two models are labelled 'dino-s16'"),
    ],
)
def test_what_is_unclear_is_refused(models: str, weights: str, words: str) -> None:
    with pytest.raises(TeachMattersError, match=words):
        read(models, weights)
