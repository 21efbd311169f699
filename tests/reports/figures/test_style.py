from __future__ import annotations

from teachmatters.api import SUPERVISIONS
from teachmatters.reports import supervisions
from teachmatters.reports.figures import style

WAYS = ("noise", "none", "by a new method", "masked reconstruction", "contrast", "labels", "autoregression")
MODELS = [
    {"model": f"{way}-{size}", "family": "noise" if way == "noise" else "vit", "supervision": way}
    for way in WAYS
    for size in ("s16", "b16", "b8", "l16")
]
UNKNOWN = [{"model": name, "family": f"family {name}", "supervision": ""} for name in "abcdefghi"]


def test_no_two_models_look_alike() -> None:
    looks = style.looks(MODELS + UNKNOWN)
    seen = {(look.colour, look.line, look.marker) for look in looks.values()}
    assert len(looks) == len(seen) == len(MODELS + UNKNOWN)


def test_models_are_grouped_by_supervision_with_the_untrained_last() -> None:
    ways = [name.rpartition("-")[0] for name in style.looks(MODELS)]
    order = ["labels", "contrast", "masked reconstruction", "autoregression", "by a new method", "none", "noise"]
    assert ways == [way for way in order for _ in range(4)]


def test_each_of_the_ten_supervisions_has_a_colour_and_a_marker() -> None:
    assert tuple(style.COLOURS) == (*SUPERVISIONS, "noise")
    assert len(set(style.COLOURS.values()) | set(style.OTHERS)) == len(style.COLOURS) + len(style.OTHERS)
    looks = style.looks({"model": way, "family": "vit", "supervision": way} for way in SUPERVISIONS)
    assert {name: look.colour for name, look in looks.items()} == {way: style.COLOURS[way] for way in SUPERVISIONS}
    assert len({look.marker for look in looks.values()}) == len(SUPERVISIONS)


def test_a_family_is_not_a_supervision() -> None:
    """A file of weights in DINO's network may be of any training."""
    looks = style.looks(
        [
            {"model": "dino-s16", "family": "dino", "supervision": "self-distillation"},
            {"model": "mine", "family": "dino", "supervision": ""},
            {"model": "pixels", "family": "dino", "supervision": "masked reconstruction"},
        ]
    )
    assert looks["mine"].colour == style.OTHERS[0]
    assert looks["pixels"].colour == style.COLOURS["masked reconstruction"]


def test_self_supervised_is_not_supervised() -> None:
    assert supervisions.training("hf", "self-supervised") == "self-supervised"
    assert supervisions.training("hf", "supervised on ImageNet") == supervisions.training("hf", "Labels") == "labels"
    assert supervisions.training("random", "none") == supervisions.training("x", "none") == "none"
