from __future__ import annotations

from teachmatters.reports import style

MODELS = [
    {"model": f"{family}-{size}", "family": family, "supervision": ""}
    for family in ("noise", "random", "zeta", "beit", "mae", "moco", "dino", "clip", "supervised")
    for size in ("s16", "b16", "b8", "l16")
]


def test_no_two_models_look_alike() -> None:
    looks = style.looks(MODELS)
    assert len(looks) == len(set(looks.values())) == len(MODELS)


def test_models_of_one_training_stand_together_and_the_untrained_last() -> None:
    families = [name.partition("-")[0] for name in style.looks(MODELS)]
    order = ["supervised", "clip", "dino", "moco", "mae", "beit", "zeta", "random", "noise"]
    assert families == [family for family in order for _ in range(4)]


def test_the_first_model_of_a_training_has_its_colour() -> None:
    looks = style.looks(MODELS)
    assert all(looks[f"{key}-b16"].colour == colour for key, colour in style.COLOURS.items())


def test_self_supervised_is_not_supervised() -> None:
    assert style.training("hf", "self-supervised") == "self-supervised"
    assert style.training("hf", "supervised on ImageNet") == "supervised"
    assert style.training("random", "none") == style.training("x", "none") == "random"
