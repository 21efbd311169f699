"""Tests of labels and weight files."""

from __future__ import annotations

import pytest

from teachmatters import registry
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.models import labelled_models, uncommon_supervisions


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
        ("dino-s16 dino-s8", "f.pth", "write LABEL=FILE"),
        ("dino-s16", "f.pth g.pth", "one file per model"),
        ("dino-s16 dino-s16", "", "two models are labelled 'dino-s16'"),
    ],
)
def test_ambiguous_requests_are_refused(models: str, weights: str, words: str) -> None:
    with pytest.raises(TeachMattersError, match=words):
        read(models, weights)


def supervised(models: str, weights: str, *words: str) -> list[tuple[str, str | None]]:
    found = labelled_models(registry.load(), models.split(), weights.split(), words)
    return [(each.label, each.supervision) for each in found]


def test_a_supervision_goes_to_a_label_or_to_the_only_model() -> None:
    assert supervised("mine=dino-s16", "f.pth", "labels") == [("mine", "labels")]
    assert supervised("a=dino-s16 mae-b16", "", "mae-b16=none", "a=Labels") == [("a", "labels"), ("mae-b16", "none")]
    assert supervised("dino-s16", "run.pth", "dino-s16@run=distilled from CLIP") == [
        ("dino-s16@run", "distilled from CLIP")
    ]
    assert supervised("dino-s16", "run.pth", "dino-s16=contrast") == [("dino-s16@run", "contrast")]


@pytest.mark.parametrize(
    ("models", "words", "message"),
    [
        ("a=dino-s16 b=dino-s16", ["labels"], "with 2 models: write LABEL=TEXT; labels: a, b"),
        ("a=dino-s16", ["b=labels"], "no model is labelled 'b'; labels: a"),
        ("a=dino-s16", ["labels", "contrast"], "'a' already has 'labels'"),
        ("a=dino-s16", ["a="], "give one line of 1 to 100 characters, preferably one of labels, image-text contrast"),
        ("a=dino-s16", ["two\nlines"], "one line of 1 to 100 characters"),
        ("a=dino-s16", ["x" * 101], "one line of 1 to 100 characters"),
    ],
)
def test_an_unclear_supervision_is_refused(models: str, words: list[str], message: str) -> None:
    with pytest.raises(TeachMattersError, match=message):
        supervised(models, "", *words)


def test_a_near_spelling_of_a_supervision_is_pointed_out() -> None:
    found = labelled_models(registry.load(), ["a=dino-s16", "b=dino-s16", "c=dino-s16"], (), ["a=label", "b=labels"])
    assert uncommon_supervisions(found) == ["a: the supervision 'label' is used as written. Did you mean 'labels'?"]
