"""Damaged folders and other files are rejected with one line."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hf_networks import WEIGHTS, edit, folder, opened, save, told, without
from safetensors.torch import load_file, save_file

from teachmatters_hf import network

__all__ = ["folder"]  # a fixture


def extra(folder: Path, key: str) -> None:
    save_file(load_file(folder / WEIGHTS) | {key: torch.zeros(2)}, folder / WEIGHTS)


def grey(folder: Path) -> None:
    edit(folder / "config.json", num_channels=1)
    state = load_file(folder / WEIGHTS)
    key = next(name for name in state if "projection.weight" in name)
    save_file(state | {key: state[key][:, :1].contiguous()}, folder / WEIGHTS)


def config(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: edit(folder / "config.json", **changes)


def processor(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: edit(folder / "preprocessor_config.json", **changes)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "has no config.json"),
    "half a config": (lambda f: (f / "config.json").write_text('{"model_type": '), "cannot read"),
    "a config that is a list": (lambda f: (f / "config.json").write_text("[1]"), "holds a list"),
    "no kind": (config(model_type=None), "has no model_type"),
    "another kind": (config(model_type="swin"), "is a 'swin'; supported models of transformers"),
    "an odd kind": (config(model_type=["vit"]), r"is a \['vit'\]"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), r"has no model\.safetensors or pytorch_model\.bin"),
    "empty weights": (lambda f: (f / WEIGHTS).write_bytes(b""), "is empty"),
    "cut off weights": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:5000]), "not a readable"),
    "a weight missing": (lambda f: without(f, "layer.1.attention.attention.query"), "lacks 1 of the 38 weights"),
    "a token missing": (lambda f: without(f, "cls_token"), r"cls_token; they would be random"),
    "the last norm missing": (lambda f: without(f, "layernorm.weight"), "would be random numbers"),
    "a deeper network": (config(num_hidden_layers=3), "lacks 16 of the 54 weights of a ViTModel"),
    "fewer layers": (config(num_hidden_layers=1), "holds more than the 22 weights of a ViTModel"),
    "no layers": (config(num_hidden_layers=0), "holds more than the 6 weights of a ViTModel"),
    "a wider network": (config(hidden_size=48), r"weights of other shapes .* \(1 x 1 x 32, not"),
    "larger images": (config(image_size=64), "position_embeddings"),
    "heads that do not divide": (config(num_attention_heads=5), "weights of other shapes"),
    "no heads": (config(num_attention_heads=0), "cannot build a ViTModel for .*ZeroDivision"),
    "a width in words": (config(hidden_size="wide"), "cannot build a ViTModel for"),
    "an unknown activation": (config(hidden_act="magic"), "cannot build a ViTModel for"),
    "grey images": (grey, "of 1 channels"),
    "an adapter's weights": (lambda f: extra(f, "encoder.layer.0.attention.query.lora_A"), "holds more .*merge it"),
    "quantised": (config(quantization_config={"bits": 4}), "is quantised"),
    "a mean of two": (processor(image_mean=[1, 2]), "holds 2 numbers"),
    "a deviation of 0": (processor(image_std=[0, 1, 1]), "must be above 0"),
    "a mean in words": (processor(image_mean="grey"), "preprocessor_config"),
    "a size in words": (processor(size={"height": "a", "width": 1}), "fetch it again"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_in_one_line(
    damage: str, folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    act, words = DAMAGES[damage]
    act(folder)
    message = told(lambda: opened(folder).build())
    assert re.search(words, message), message
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_a_text_tower_without_its_image_tower_is_refused(name: str, tmp_path: Path) -> None:
    save(name, tmp_path)
    state = {key: value for key, value in load_file(tmp_path / WEIGHTS).items() if not key.startswith("vision_model")}
    save_file(state, tmp_path / WEIGHTS)
    assert "would be random numbers" in told(lambda: opened(tmp_path).build())


def test_an_index_of_missing_files_is_refused(tmp_path: Path) -> None:
    save("vit", tmp_path, max_shard_size="20KB")
    next(iter(tmp_path.glob("*.safetensors"))).unlink()
    assert "which is not there" in told(lambda: opened(tmp_path))
    edit(tmp_path / "model.safetensors.index.json", weight_map={"a": f"../{tmp_path.name}/config.json"})
    assert f"names ../{tmp_path.name}/config.json, which is not there" in told(lambda: opened(tmp_path))
    edit(tmp_path / "model.safetensors.index.json", weight_map=[1])
    assert "names no file" in told(lambda: opened(tmp_path))


class Code:
    """What a pickle may do when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("the file's code was run",)


def test_code_in_a_file_of_weights_is_not_run(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.bin").write_bytes(pickle.dumps(Code()))
    assert "could run code and was not loaded" in told(lambda: opened(folder, tmp_path / "evil.bin").build())
    assert "there is no such file" in told(lambda: opened(folder, tmp_path / "none.bin"))


def test_another_layout_of_transformers_is_refused_and_not_measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(folder)

    class Elsewhere(transformers.ViTModel):  # type: ignore[misc]
        """Blocks of other parts, as a later release may have them."""

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            for block in self.layers:
                block.add_module("first_norm", block._modules.pop("layernorm_before"))

    monkeypatch.setattr(vars(network)["transformers"], "ViTModel", Elsewhere)
    monkeypatch.setattr(network, "_check", lambda *_: None)
    assert "whose blocks have no layernorm_before; install a version" in told(source.build)
