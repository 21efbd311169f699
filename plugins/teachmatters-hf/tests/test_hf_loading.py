"""Loading: the files, the identity, mean and std of the images, and one-line errors for what is rejected."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
import transformers
from hf_networks import edit, images, made, opened, save, streamed
from PIL import Image
from safetensors.torch import load_file, save_file

from teachmatters.errors import TeachMattersError
from teachmatters_hf import hub, network
from teachmatters_hf.model import resolve

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ViT and its image processor's config."""
    folder = save("vit", tmp_path / "vit")
    edit(folder / "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6])
    return folder


def told(act: Callable[[], Any]) -> str:
    """What a user is told: one line."""
    with pytest.raises(TeachMattersError) as refusal:
        act()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def last(source: Any) -> torch.Tensor:
    model = source.build()
    block: torch.Tensor = streamed(model, images(model), frozenset({"block"}))[2, "block"]
    return block


# ---------------------------------------------------------------- files and identity
def test_the_identity_is_that_of_all_files_that_decide_the_numbers(folder: Path) -> None:
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
def test_a_file_of_weights_takes_the_place_of_the_folders(wrapped: bool, folder: Path, tmp_path: Path) -> None:
    state = {key: value * 1.1 for key, value in made("vit").state_dict().items()}  # the names that are used in memory
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "mine.pth")
    (folder / WEIGHTS).unlink()
    source = opened(folder, tmp_path / "mine.pth")
    assert torch.equal(source.build().network.state_dict()["layernorm.weight"], state["layernorm.weight"])
    edit(folder / "config.json", layer_norm_eps=0.1)
    assert opened(folder, tmp_path / "mine.pth").weights != source.weights


def test_a_training_scripts_file_is_the_network_whatever_wraps_it(folder: Path, tmp_path: Path) -> None:
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


def test_a_file_in_other_names_is_sent_to_the_model_that_reads_it(folder: Path, tmp_path: Path) -> None:
    state = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    torch.save({"teacher": {f"backbone.{name}": value for name, value in state.items()}}, tmp_path / "file.pth")
    said = told(lambda: opened(folder, tmp_path / "file.pth"))
    assert "holds a ViT-Ti/16 in other names than those of transformers, which hf/ reads" in said
    assert said.endswith("use --model timm/vit_tiny_patch16_224 with the same --weights")


def test_the_random_numbers_of_others_stay_as_they_were(folder: Path) -> None:
    without(folder, "cls_token")
    before = torch.get_rng_state()
    told(opened(folder).build)  # after transformers has filled it with random numbers
    assert torch.equal(torch.get_rng_state(), before)
    assert transformers.utils.logging.get_verbosity() == logging.WARNING


def test_what_a_config_asks_of_attention_and_of_other_code_changes_nothing(folder: Path) -> None:
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
def test_a_image_gets_the_values_that_its_image_processor_gives(processor: Any, nested: bool, tmp_path: Path) -> None:
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
def test_without_an_image_processor_the_usual_colours_are_taken_and_that_is_said(
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
def test_a_spec_tells_what_its_config_tells(name: str, family: str, supervision: str, tmp_path: Path) -> None:
    spec = resolve(f"hf/{save(name, tmp_path)}/")
    assert spec.name == f"hf/{tmp_path}"
    assert (spec.family, spec.supervision) == (family, supervision)
    info = opened(tmp_path).build().info
    for fact in ("arch", "depth", "heads", "patch_size", "image_size"):
        assert getattr(spec, fact) == getattr(info, fact)


# ---------------------------------------------------------------- refusals
def without(folder: Path, key: str) -> None:
    state = load_file(folder / WEIGHTS)
    del state[next(name for name in state if key in name)]
    save_file(state, folder / WEIGHTS)


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
    "no kind": (config(model_type=None), "does not say its model_type"),
    "another kind": (config(model_type="swin"), "is a 'swin'; of transformers' models"),
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


def test_an_index_that_names_what_is_not_there_is_refused(tmp_path: Path) -> None:
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

    class Elsewhere(transformers.ViTModel):  # type: ignore[no-untyped-call]
        """Blocks of other parts, as a later release may have them."""

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            for block in self.layers:
                block.add_module("first_norm", block._modules.pop("layernorm_before"))

    monkeypatch.setattr(vars(network)["transformers"], "ViTModel", Elsewhere)
    monkeypatch.setattr(network, "_check", lambda *_: None)
    assert "whose blocks have no layernorm_before; install a version" in told(source.build)


# ---------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("./nowhere", "there is no folder ./nowhere, and it is no id"),
        ("a/b/c", "there is no folder a/b/c"),
        ("~/nowhere", "there is no folder"),
        ("..", "has no config.json"),
        ("my model", "there is no folder my model"),
        ("vit/config.json", "is a file; name the folder"),
    ],
)
def test_what_is_no_folder_and_no_id_is_told_with_what_could_be(
    given: str, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "inner").mkdir()
    monkeypatch.chdir(folder.parent / "inner" if given == ".." else folder.parent)
    assert words in told(lambda: resolve(f"hf/{given}"))


def test_the_nearest_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.chdir(folder.parent)
    assert "Did you mean 'hf/vit'? " in told(lambda: opened(Path("vti")))
    assert "Did you mean 'hf/./vit'? " in told(lambda: resolve("hf/./vti"))
    assert f"Did you mean 'hf/{folder}'? " in told(lambda: resolve(f"hf/{folder}s"))
    assert "Did you mean" not in told(lambda: resolve("hf/./somewhere-else/x"))


def test_a_folder_whose_name_no_model_can_have_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    folder.rename("my vit")
    assert "holds no space" in told(lambda: resolve("hf/my vit"))


# ---------------------------------------------------------------- the hub
@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def snapshot(cache: Path) -> Path:
    """The folder of a repository's files, as the hub's client lays it out."""
    repository = cache / "models--someone--vit"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    folder = repository / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    return folder


def test_without_a_network_the_ways_out_are_named(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec = resolve("hf/someone/vit")
    assert (spec.source, spec.family, spec.depth) == ("huggingface.co/someone/vit", "hf", 0)
    message = told(lambda: opened(Path("someone/vit")))
    for way in ("no such folder", "huggingface.co/someone/vit (", "HF_HOME", "save_pretrained", "hf/<folder>"):
        assert way in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("processor", [True, False])
def test_a_filled_cache_needs_no_network(processor: bool, cache: Path, folder: Path) -> None:
    there = snapshot(cache)
    for file in folder.iterdir():
        if processor or file.name != "preprocessor_config.json":
            (there / file.name).write_bytes(file.read_bytes())
    assert resolve("hf/someone/vit").arch == "ViT-32/8"
    source = opened(Path("someone/vit"))
    torch.testing.assert_close(last(source), last(opened(folder)), rtol=0, atol=0)
    assert (source.weights == opened(folder).weights) == processor


def test_what_the_cache_lacks_is_asked_for_once_and_fetched(
    cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = snapshot(cache)
    asked: list[Any] = []
    state = load_file(folder / WEIGHTS)
    torch.save(state, folder / "pytorch_model.bin")

    def download(repository: str, *, allow_patterns: list[str], etag_timeout: float) -> str:
        asked.append(allow_patterns)
        for name in ("config.json", "preprocessor_config.json", "pytorch_model.bin"):  # an old one: no safetensors
            if name in allow_patterns:
                (there / name).write_bytes((folder / name).read_bytes())
        return str(there)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda address, timeout: asked.append(timeout))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    hub.fetch("someone/vit", weights=False)
    assert asked == [hub.TIMEOUT, ["config.json", "processor_config.json", "preprocessor_config.json"]]
    source = opened(Path("someone/vit"))
    assert len(asked) == 2 + 3
    torch.testing.assert_close(last(source), last(opened(folder)), rtol=0, atol=0)
    opened(Path("someone/vit"))
    assert len(asked) == 2 + 3
