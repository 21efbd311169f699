"""Folders by their names, and repositories of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from hf_networks import WEIGHTS, folder, last, opened, told
from safetensors.torch import load_file

from teachmatters_hf import hub
from teachmatters_hf.model import resolve

__all__ = ["folder"]  # a fixture


# ---------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("./nowhere", "there is no folder ./nowhere, and it is not an id"),
        ("a/b/c", "there is no folder a/b/c"),
        ("~/nowhere", "there is no folder"),
        ("..", "has no config.json"),
        ("my model", "there is no folder my model"),
        ("vit/config.json", "is a file; name the folder"),
    ],
)
def test_an_unknown_name_gets_suggestions(
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


def test_a_folder_with_an_invalid_model_name_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_without_a_network_the_error_names_alternatives(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
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


def test_missing_files_are_downloaded_once(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
