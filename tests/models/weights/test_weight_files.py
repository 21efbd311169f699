"""Tests of checkpoints in the wild: networks are found in any wrapping, and refusals say what the file holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from teachmatters.errors import TeachMattersError
from teachmatters.models.networks import hollow
from teachmatters.models.weights.wanted import Wanted
from teachmatters.models.weights.weight_files import Found, fill, find, identity
from tests.models import official
from tests.models.wrappings import PLAIN, REGISTERS, WRAPPINGS, Wrapping, is_array, parameters, under


def wanted(architecture: str = PLAIN, *, size: int = 0, **more: Any) -> Wanted:
    tiny = {name: value for name, value in official.TINY.items() if name != "num_classes"} | more
    if "patch14" in architecture:
        tiny["patch_size"] = 16
    own = tiny.pop("img_size")
    return Wanted(
        name="tiny",
        arch="ViT-tiny/16",
        architecture=architecture,
        make=lambda size: hollow(architecture, tiny, size or (own, own)),
        size=(size, size) if size else None,
    )


def write(folder: Path, content: Mapping[str, Any]) -> Path:
    path = folder / "file.pth"
    if is_array(content):
        with path.open("wb") as file:
            np.savez(file, **content)
    else:
        torch.save(content, path)
    return path


def named(row: Wrapping) -> str:
    return " ".join(filter(None, (row.layout, row.wrapper, row.prefix, row.name)))


@pytest.mark.parametrize("row", WRAPPINGS, ids=named)
def test_a_file_is_read_or_refused_as_listed(row: Wrapping, tmp_path: Path) -> None:
    state = parameters(row.architecture)
    path = write(tmp_path, row.make(state, parameters(row.architecture, seed=1)))
    given = Path(f"{path}#{row.name}") if row.name else path
    if row.refused:
        with pytest.raises(TeachMattersError, match=row.refused) as refusal:
            find(given, wanted(row.architecture))
        assert "\n" not in str(refusal.value)
        return
    found = find(given, wanted(row.architecture))
    halved = "half" in row.layout or "CLIP" in row.layout
    expected = official.halved(state) if halved else state
    assert found.state.keys() == expected.keys()
    assert all(torch.equal(found.state[name].float(), value) for name, value in expected.items())
    assert identity(found.state) == identity(expected)


def test_the_table_distinguishes_the_two_networks() -> None:
    assert identity(parameters(PLAIN)) != identity(parameters(PLAIN, seed=1))


def found(folder: Path, content: Mapping[str, Any], name: str = "", **more: Any) -> Found:
    path = write(folder, content)
    return find(Path(f"{path}#{name}") if name else path, wanted(**more))


def test_a_choice_is_reported_and_can_be_changed(tmp_path: Path) -> None:
    content = {"teacher": under("backbone.", parameters(PLAIN)), "student": parameters(PLAIN, seed=1)}
    (remark,) = found(tmp_path, content).remarks
    assert "'teacher.backbone' is taken, not 'student'" in remark
    assert remark.endswith("file.pth#student takes another")
    assert found(tmp_path, content, "student").remarks == ()
    assert found(tmp_path, {"teacher": parameters(PLAIN)}).remarks == ()  # there was none


def test_equal_parameters_are_one_model_in_every_format(tmp_path: Path) -> None:
    state = parameters(PLAIN)
    torch.save({"model": under("module.", state)}, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    save_file(state | {"head.weight": torch.ones(2, 48)}, tmp_path / "c.safetensors")
    arrays: dict[str, Any] = {name: value.numpy() for name, value in state.items()}
    np.savez(tmp_path / "d.npz", **arrays)
    files = [tmp_path / name for name in ("a.pth", "b.pth", "c.safetensors", "d.npz")]
    assert len({identity(find(file, wanted()).state) for file in files}) == 1
    torch.save(state | {"cls_token": state["cls_token"] + 1}, tmp_path / "e.pth")
    assert identity(find(tmp_path / "e.pth", wanted()).state) != identity(state)


@pytest.mark.parametrize(("file", "asked"), [(64, 64), (32, 64), (96, 64), (64, 96)])
@pytest.mark.parametrize("architecture", [PLAIN, "beit_base_patch16_224", REGISTERS])
def test_with_a_requested_size_a_file_of_any_size_is_read(
    architecture: str, file: int, asked: int, tmp_path: Path
) -> None:
    more = {"patch_size": 16} if "patch14" in architecture else {}
    torch.save(official.state(architecture, img_size=file, **more), tmp_path / "file.pth")
    there = find(tmp_path / "file.pth", wanted(architecture, size=asked, img_size=asked))
    assert there.size == (None if file == asked else (file, file))
    assert [f"its positions are resampled to {asked} x {asked}" in remark for remark in there.remarks] == [
        True for _ in range(file != asked)
    ]
    network = timm.create_model(architecture, **official.TINY | more | {"img_size": asked})
    assert bool(fill(network, there)) == (file != asked)
    kernel = official.state(architecture, img_size=file, **more)["patch_embed.proj.weight"]
    assert torch.equal(network.state_dict()["patch_embed.proj.weight"], kernel)


@pytest.mark.parametrize("architecture", [PLAIN, "beit_base_patch16_224"])
def test_a_file_for_rectangles_is_read_at_their_size(architecture: str, tmp_path: Path) -> None:
    state = official.state(architecture, img_size=(32, 96))
    torch.save(state, tmp_path / "file.pth")
    at_size = replace(wanted(architecture), size=(32, 96))
    there = find(tmp_path / "file.pth", at_size)
    assert (there.size, there.remarks) == ((32, 96), ())
    assert all(torch.equal(value, state[name]) for name, value in there.state.items())
    with pytest.raises(TeachMattersError):
        find(tmp_path / "file.pth", wanted(architecture))


def test_an_error_names_no_size_that_the_file_lacks(tmp_path: Path) -> None:
    torch.save(official.state(img_size=(48, 160)), tmp_path / "file.pth")
    with pytest.raises(TeachMattersError, match=r"holds a ViT-48/16 of 2 layers in .*add their size .*@ROWSxCOLUMNS$"):
        find(tmp_path / "file.pth", wanted())


def test_a_file_of_the_native_size_is_resampled_with_a_remark(tmp_path: Path) -> None:
    torch.save(parameters(PLAIN), tmp_path / "file.pth")
    there = find(tmp_path / "file.pth", wanted(size=96))
    assert there.size is None
    assert there.remarks == (
        f"{tmp_path}/file.pth is for images of 64 x 64 pixels: its positions are resampled to 96 x 96",
    )


def test_dinov2s_own_table_of_another_size_is_read_through_timm(tmp_path: Path) -> None:
    row = next(row for row in WRAPPINGS if row.layout == "DINOv2 with registers")
    state = official.state(REGISTERS, img_size=96, patch_size=16)
    torch.save(row.make(state, {}), tmp_path / "file.pth")
    there = find(tmp_path / "file.pth", wanted(REGISTERS, size=64))
    assert there.size == (96, 96)
    assert torch.equal(there.state["pos_embed"], state["pos_embed"])
    with pytest.raises(TeachMattersError, match="use tiny@96"):
        find(tmp_path / "file.pth", wanted(REGISTERS))


DINOV3 = "vit_small_patch16_dinov3"


def dinov3(bias: float = 0.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """In timm's names, and as its authors keep it."""
    state = official.state(DINOV3)
    renames = (("reg_token", "storage_tokens"), ("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma"))
    given = dict(state)
    for ours, theirs in renames:
        given = {name.replace(ours, theirs): value for name, value in given.items()}
    for number in range(2):
        given[f"blocks.{number}.attn.qkv.bias"] = torch.full((3 * official.WIDTH,), bias)
        given[f"blocks.{number}.attn.qkv.bias_mask"] = torch.ones(3 * official.WIDTH)
    return state, given | {"mask_token": torch.zeros(1, official.WIDTH), "rope_embed.periods": torch.ones(4)}


def test_dinov3s_own_names_are_read_and_a_bias_is_not_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, given = dinov3()
    there = found(tmp_path, given, architecture=DINOV3)
    assert all(torch.equal(there.state[name], value) for name, value in state.items())
    assert capsys.readouterr().out == ""  # timm's conversion prints
    with pytest.raises(TeachMattersError, match=r"also holds blocks\.0\.attn\.qkv\.bias"):
        found(tmp_path, dinov3(bias=0.5)[1], architecture=DINOV3)


@pytest.mark.parametrize("side", [4, 8])
def test_radios_table_is_cropped_as_in_timm(side: int, tmp_path: Path) -> None:
    architecture = "vit_base_patch16_radio_v3"
    state = official.state(architecture)
    given = {f"radio_model.model.{name}": value for name, value in state.items() if name.startswith("blocks.")}
    table = torch.randn(1, side * side, official.WIDTH)
    given |= {
        "radio_model.model.patch_generator.embedder.weight": state["patch_embed.proj.weight"].flatten(1),
        "radio_model.model.patch_generator.pos_embed": table,
        "radio_model.model.patch_generator.cls_token.token": torch.cat([state["cls_token"], state["reg_token"]], 1)[0],
    }
    theirs: Any = timm.create_model(architecture, **official.TINY)
    more: dict[str, Any] = {"interpolation": "bilinear", "antialias": False, "align_corners": True}
    expected = timm.models.vision_transformer.checkpoint_filter_fn(dict(given), theirs, **more)
    for size in (0, 64):
        torch.save(given, tmp_path / "file.pth")
        there = find(tmp_path / "file.pth", wanted(architecture, size=size))
        assert there.state.keys() == state.keys()
        assert all(torch.equal(value, expected[name]) for name, value in there.state.items())


@pytest.mark.parametrize(
    ("architecture", "openai", "words"),
    [
        ("vit_base_patch16_clip_quickgelu_224", True, ""),
        (
            "vit_base_patch16_clip_224",
            True,
            r"OpenAI's, trained with QuickGELU.*timm/vit_base_patch16_clip_quick",
        ),
        (
            "vit_base_patch16_clip_224",
            False,
            "does not show its activation: .* computes GELU.*quickgelu_224 computes",
        ),
        ("vit_base_patch16_clip_quickgelu_224", False, "does not show its activation: .* computes QuickGELU"),
    ],
)
def test_an_unknown_activation_is_reported(architecture: str, openai: bool, words: str, tmp_path: Path) -> None:
    content = official.clip_openai(parameters(architecture))
    if openai:
        content |= {name: torch.tensor(1) for name in ("input_resolution", "context_length", "vocab_size")}
    remarks = found(tmp_path, content, architecture=architecture).remarks
    assert (remarks == ()) == (not words)
    assert not words or re.search(words, remarks[0])


def test_mocos_twelve_heads_are_reported(tmp_path: Path) -> None:
    (remark,) = found(tmp_path, official.moco(parameters(PLAIN))).remarks[-1:]
    assert "trains with 12 heads, and this network has 3" in remark


def test_advice_is_tried_before_it_is_given(tmp_path: Path) -> None:
    state = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    with pytest.raises(TeachMattersError, match=r"holds a ViT-Ti/16 in timm's names.*use --model timm/vit_tiny"):
        found(tmp_path, state)
    state = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=3).state_dict()
    with pytest.raises(TeachMattersError, match=r"ViT-Ti/16 of 3 layers.*name the model that it belongs to"):
        found(tmp_path, state)


def test_one_part_of_several_gets_the_folder_to_use(tmp_path: Path) -> None:
    part = dict(list(parameters(PLAIN).items())[:8])
    save_file(part, tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(TeachMattersError, match=rf"it is a part of several: give the folder {tmp_path}$"):
        find(tmp_path / "model-00001-of-00002.safetensors", wanted())


@pytest.mark.parametrize("wrapper", ["model", ""])
def test_packaging_does_not_change_the_identity(wrapper: str, tmp_path: Path) -> None:
    state = parameters(PLAIN) | {"mask_token": torch.zeros(1, 1, 48)}
    there = found(tmp_path, {wrapper: state} if wrapper else state)
    assert there.remarks == ()


def test_files_are_matched_on_the_meta_device() -> None:
    network = partial(wanted().make)(None)
    assert {value.device.type for value in network.state_dict().values()} == {"meta"}
