from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

from teachmatters.errors import TeachMattersError
from teachmatters.models import hub
from teachmatters.models.sources import open_named
from teachmatters.models.timm_vit import TimmViT
from tests.models.helpers import request

REPOSITORY = "timm/vit_small_patch16_224.dino"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache and an empty cache of torch.hub."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


def snapshot(cache: Path) -> Path:
    """The folder of a repository's files, as the hub's client lays it out."""
    repository = cache / "hub" / f"models--{REPOSITORY.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("file", hub.FILES)
def test_a_filled_cache_needs_no_network(file: str, cache: Path, dino_s16: Path) -> None:
    state = torch.load(dino_s16, weights_only=True)
    path = snapshot(cache) / file
    save_file(state, path) if file.endswith(".safetensors") else torch.save(state, path)
    source = open_named(request("dino-s16"))
    assert source.weights == hashlib.sha256(path.read_bytes()).hexdigest()
    model = source.build()
    assert isinstance(model, TimmViT)
    assert all(torch.equal(value, state[key]) for key, value in model.network.state_dict().items())


def test_safetensors_are_preferred(cache: Path) -> None:
    folder = snapshot(cache)
    for file in hub.FILES:
        (folder / file).touch()
    assert hub.repository_file(REPOSITORY, "dino-s16").name == "model.safetensors"


@pytest.mark.parametrize(("name", "home"), [("dino-s16", "HF_HOME"), ("dino-s8", "TORCH_HOME"), ("mae-b16", "HF_HOME")])
def test_without_network_three_ways_out_are_named(
    name: str, home: str, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TeachMattersError) as refusal:
        open_named(request(name))
    for way in (name, "--weights FILE", home, "random-b16"):
        assert way in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_the_hub_is_asked_once_and_not_for_long(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def refuse(address: str, *, timeout: float) -> None:
        asked.append(timeout)
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refuse)
    with pytest.raises(TeachMattersError, match=r"huggingface\.co/timm/vit_small_patch16_224\.dino .*no route"):
        hub.repository_file(REPOSITORY, "dino-s16")
    assert asked == [hub.TIMEOUT]


def test_a_repository_without_safetensors_is_asked_for_the_other_file(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def metadata(address: str, *, timeout: float) -> None:
        if address.endswith("model.safetensors"):
            raise huggingface_hub.errors.EntryNotFoundError("404")

    def download(repository: str, file: str, **_: Any) -> str:
        return str(tmp_path / repository / file)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert hub.repository_file(REPOSITORY, "dino-s16") == tmp_path / REPOSITORY / "pytorch_model.bin"


def test_a_repository_without_weights_is_said_to_have_none(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def metadata(address: str, *, timeout: float) -> None:
        raise huggingface_hub.errors.EntryNotFoundError("404")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    with pytest.raises(TeachMattersError, match=r"has no model\.safetensors or pytorch_model\.bin"):
        hub.repository_file(REPOSITORY, "dino-s16")


def test_an_official_file_is_downloaded_once_and_whole(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = tmp_path / "published.pth"
    published.write_bytes(b"weights")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    path = hub.official_file(published.as_uri(), "dino-s8")
    assert path.read_bytes() == b"weights"
    published.unlink()
    assert hub.official_file(published.as_uri(), "dino-s8") == path


def test_offline_means_offline_for_official_files_too(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "published.pth").write_bytes(b"weights")
    with pytest.raises(TeachMattersError, match="HF_HUB_OFFLINE is set"):
        hub.official_file((tmp_path / "published.pth").as_uri(), "dino-s8")


def test_an_interrupted_download_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None: ...

        def read(self, _: int) -> bytes:
            raise TimeoutError("timed out")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer())
    with pytest.raises(TeachMattersError, match="timed out"):
        hub.official_file("https://example.org/dino.pth", "dino-s8")
    assert [path for path in (cache / "torch").rglob("*") if path.is_file()] == []
