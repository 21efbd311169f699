"""Loading: the files, the identity, mean and std of the images, and what a spec holds."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from hf_networks import WEIGHTS, edit, folder, images, last, made, opened, save, told, without
from PIL import Image
from safetensors.torch import load_file, save_file

from teachmatters_hf.model import resolve

__all__ = ["folder"]  # a fixture


# ---------------------------------------------------------------- files and identity
def test_the_identity_covers_all_files_that_affect_the_numbers(folder: Path) -> None:
    names = (WEIGHTS, "config.json", "preprocessor_config.json")
    digests = sorted(hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names)
    before = opened(folder).weights
    assert before == hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()
    edit(folder / "config.json", num_attention_heads=2)
    edited = opened(folder).weights
    edit(folder / "preprocessor_config.json", image_mean=[0.2, 0.2, 0.2])
    assert len({before, edited, opened(folder).weights}) == 3


def test_weights_in_parts_and_in_the_older_format_are_the_same_network(folder: Path, tmp_path: Path) -> None:
    whole = last(opened(folder))
    parts = save("vit", tmp_path / "parts", max_shard_size="20KB")
    assert len(list(parts.glob("*.safetensors"))) > 1
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save(load_file(folder / WEIGHTS), old / "pytorch_model.bin")
    for other in (parts, old):
        torch.testing.assert_close(last(opened(other)), whole, rtol=0, atol=0)


def test_half_precision_files_become_float32(tmp_path: Path) -> None:
    made("siglip").half().save_pretrained(tmp_path)
    model = opened(tmp_path).build()
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert model.forward(images(model)).dtype == torch.float32


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_given_weight_file_replaces_that_of_the_folder(wrapped: bool, folder: Path, tmp_path: Path) -> None:
    state = {key: value * 1.1 for key, value in made("vit").state_dict().items()}  # the names that are used in memory
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "mine.pth")
    (folder / WEIGHTS).unlink()
    source = opened(folder, tmp_path / "mine.pth")
    assert torch.equal(source.build().network.state_dict()["layernorm.weight"], state["layernorm.weight"])
    edit(folder / "config.json", layer_norm_eps=0.1)
    assert opened(folder, tmp_path / "mine.pth").weights != source.weights


def test_a_training_checkpoint_is_unwrapped(folder: Path, tmp_path: Path) -> None:
    expected = last(opened(folder))
    in_memory = dict(made("vit").state_dict())
    on_disk = load_file(folder / WEIGHTS)
    torch.save({"state_dict": {f"model.{key}": value for key, value in in_memory.items()}}, tmp_path / "lightning.ckpt")
    torch.save(
        {"teacher": on_disk, "student": {key: value + 1 for key, value in on_disk.items()}}, tmp_path / "both.pth"
    )
    save_file(on_disk, tmp_path / "plain.pth")
    sources = [opened(folder, tmp_path / name) for name in ("lightning.ckpt", "both.pth", "plain.pth")]
    assert len({source.weights for source in sources}) == 1
    assert all(torch.equal(last(source), expected) for source in sources)
    assert "'teacher' is taken, not 'student'" in sources[1].remarks[0]
    student = opened(folder, tmp_path / "both.pth#student")
    assert student.weights != sources[1].weights
    assert not torch.allclose(last(student), expected)


def test_a_file_with_other_names_gets_the_model_that_reads_it(folder: Path, tmp_path: Path) -> None:
    state = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    torch.save({"teacher": {f"backbone.{name}": value for name, value in state.items()}}, tmp_path / "file.pth")
    said = told(lambda: opened(folder, tmp_path / "file.pth"))
    assert "holds a ViT-Ti/16 in other names than those of transformers, which hf/ reads" in said
    assert said.endswith("use --model timm/vit_tiny_patch16_224 with the same --weights")


def test_the_global_random_state_is_not_changed(folder: Path) -> None:
    without(folder, "cls_token")
    before = torch.get_rng_state()
    told(opened(folder).build)  # after transformers has filled it with random numbers
    assert torch.equal(torch.get_rng_state(), before)
    assert transformers.utils.logging.get_verbosity() == logging.WARNING


def test_attention_settings_and_remote_code_of_a_config_are_ignored(folder: Path) -> None:
    expected = last(opened(folder))
    edit(folder / "config.json", attn_implementation="flash_attention_2", _attn_implementation="flash_attention_2",
         dtype="bfloat16", auto_map={"AutoModel": "evil.Model"}, fusion_config={"patch_embeddings": True})  # fmt: skip
    torch.testing.assert_close(last(opened(folder)), expected, rtol=0, atol=0)
    left = opened(folder).build().network.config
    assert (left._attn_implementation, left.dtype) == ("sdpa", torch.float32)
    assert not hasattr(left, "fusion_config")


# ---------------------------------------------------------------- mean, std and size
PROCESSORS = [
    transformers.CLIPImageProcessor(size={"shortest_edge": 48}, crop_size=48),
    transformers.ViTImageProcessor(size={"height": 48, "width": 48}),
    transformers.ViTImageProcessor(size=48, image_mean=[0.1, 0.2, 0.3], image_std=[0.9, 0.8, 0.7]),
    transformers.SiglipImageProcessor(size={"height": 48, "width": 48}, do_normalize=False),
    transformers.BitImageProcessor(
        size={"shortest_edge": 64}, crop_size={"height": 48, "width": 48}, rescale_factor=0.1
    ),
    transformers.BeitImageProcessor(size={"height": 48, "width": 48}, do_rescale=False, image_std=[30, 40, 50]),
]


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("nested", [False, True])
def test_an_image_gets_the_values_of_its_image_processor(processor: Any, nested: bool, tmp_path: Path) -> None:
    save("vit", tmp_path)
    processor.save_pretrained(tmp_path)
    if nested:
        alone = tmp_path / "preprocessor_config.json"
        edit(tmp_path / "processor_config.json", image_processor=json.loads(alone.read_text()))
        alone.unlink()
    info = opened(tmp_path).build().info
    assert info.input_size == (48, 48)
    assert resolve(f"hf/{tmp_path}").image_size == 48
    noise = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    crop = noise[:, 8:56].permute(2, 0, 1)  # what is left of it where nothing is resized
    image = noise if processor.do_center_crop else noise[:, 8:56]
    size = {"do_resize": False}
    given = processor(Image.fromarray(image.numpy()), return_tensors="pt", **size)["pixel_values"][0]
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (info.mean, info.std))
    torch.testing.assert_close((crop / 255 - mean) / std, given.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "mean"), [("mae", 0.485), ("dinov2", 0.485), ("clip", 0.48145466), ("siglip", 0.5), ("beit", 0.5)]
)
def test_without_an_image_processor_the_default_mean_and_std_are_used_with_a_note(
    name: str, mean: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(name, tmp_path)
    resolve(f"hf/{tmp_path}")
    assert not caplog.records
    assert opened(tmp_path).build().info.mean[0] == mean
    assert "has no preprocessor_config.json: its images are normalised as is usual for a " in caplog.text


# ---------------------------------------------------------------- what a spec tells
@pytest.mark.parametrize(
    ("name", "family", "supervision"),
    [
        ("vit", "hf-vit", ""),
        ("vit-classifier", "hf-vit", "labels"),
        ("dinov2-registers", "hf-dinov2", "self-distillation"),
        ("beit", "hf-beit", "masked token prediction"),
        ("beit-shared", "hf-beit", ""),
        ("clip", "hf-clip", "image-text contrast"),
        ("siglip-vision", "hf-siglip", "image-text contrast"),
        ("mae", "hf-mae", "masked reconstruction"),
    ],
)
def test_a_spec_agrees_with_its_config(name: str, family: str, supervision: str, tmp_path: Path) -> None:
    spec = resolve(f"hf/{save(name, tmp_path)}/")
    assert spec.name == f"hf/{tmp_path}"
    assert (spec.family, spec.supervision) == (family, supervision)
    info = opened(tmp_path).build().info
    for fact in ("arch", "depth", "heads", "patch_size", "image_size"):
        assert getattr(spec, fact) == getattr(info, fact)
