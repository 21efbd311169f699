from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

from teachmatters.errors import TeachMattersError
from teachmatters.models.fetch import hub
from teachmatters.models.fetch.download import TIMEOUT
from teachmatters.models.files.checkpoints import read
from teachmatters.models.sources import open_named
from teachmatters.models.timm.vit import TimmViT
from tests.models import official
from tests.models.helpers import request
from tests.models.server import Behaviour, serving

REPOSITORY = "timm/vit_small_patch16_224.dino"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


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
        (folder / file).write_bytes(b"weights")
    assert path_of(REPOSITORY).name == "model.safetensors"


@pytest.mark.parametrize(
    ("name", "home"), [("dino-s16", "HF_HOME or TORCH_HOME"), ("dino-s8", "TORCH_HOME"), ("clip-b16", "HF_HOME")]
)
def test_without_network_the_error_names_three_alternatives(
    name: str, home: str, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TeachMattersError) as refusal:
        open_named(request(name))
    for way in (name, "--weights FILE", home, "random-b16"):
        assert way in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def online(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, and a network of which only what a test puts there answers."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return cache


def path_of(*places: str) -> Path:
    return hub.find(places, "dino-s16")[0]


def test_the_hub_is_asked_once_and_not_for_long(online: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def refuse(address: str, *, timeout: float) -> None:
        asked.append(timeout)
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refuse)
    with pytest.raises(TeachMattersError, match=r"huggingface\.co/timm/vit_small_patch16_224\.dino .no route"):
        path_of(REPOSITORY)
    assert asked == [TIMEOUT]


def without(missing: str) -> Callable[..., None]:
    """A hub that has every file but those whose name ends so."""

    def metadata(address: str, *, timeout: float) -> None:
        if address.endswith(missing):
            raise huggingface_hub.errors.EntryNotFoundError("404")

    return metadata


def test_without_safetensors_the_other_file_is_downloaded(online: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, file: str, **_: Any) -> str:
        (online / file).write_bytes(b"weights")
        return str(online / file)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", without("model.safetensors"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert path_of(REPOSITORY) == online / "pytorch_model.bin"


def test_a_repository_without_weights_is_an_error(online: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", without(""))
    with pytest.raises(TeachMattersError, match=r"has no model\.safetensors or pytorch_model\.bin"):
        path_of(REPOSITORY)


def test_a_file_in_the_hubs_cache_is_compared_with_its_hash(cache: Path) -> None:
    content = b"weights"
    blobs = snapshot(cache).parents[1] / "blobs"
    blobs.mkdir()
    blob = blobs / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (blobs.parent / "snapshots" / COMMIT / "model.safetensors").symlink_to(blob)
    assert hub.find([REPOSITORY], "dino-s16")[1] == blob.name
    blob.write_bytes(b"damaged")
    with pytest.raises(TeachMattersError, match="is not the file that was fetched"):
        hub.find([REPOSITORY], "dino-s16")


def test_an_official_file_is_downloaded_once_and_checked(online: Path) -> None:
    behaviour = Behaviour(b"weights")
    with serving(behaviour) as root:
        path, digest = hub.find([f"{root}/dino.pth"], "dino-s8")
        assert (path.read_bytes(), digest) == (b"weights", hashlib.sha256(b"weights").hexdigest())
        assert hub.find([f"{root}/dino.pth"], "dino-s8") == (path, digest)
    assert len(behaviour.ranges) == 1
    path.write_bytes(b"other weights")
    with pytest.raises(TeachMattersError, match="is not the file that was used before"):
        hub.find([f"{root}/dino.pth"], "dino-s8")


def test_after_a_dead_address_the_next_one_is_tried(
    online: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    content = official.beit_hf(official.beit_shared())

    def download(repository: str, file: str, **_: Any) -> str:
        assert repository == "microsoft/beit"
        torch.save(content, online / file)
        return str(online / file)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", without("model.safetensors"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with serving(Behaviour(status={"/beit.pth": 404})) as root:
        path, _ = hub.find([f"{root}/beit.pth", "microsoft/beit"], "beit-b16")
    assert any(name.startswith("beit.") for name in read(path))
    assert [record.getMessage() for record in caplog.records] == [
        f"beit-b16: {root}/beit.pth (the server answers 404 Not Found) fails; trying huggingface.co/microsoft/beit"
    ]


def test_if_every_address_fails_each_reason_is_shown(online: Path) -> None:
    with (
        serving(Behaviour(status={"/a.pth": 404, "/b.pth": 410})) as root,
        pytest.raises(TeachMattersError, match=r"/a\.pth .*404 Not Found.* or .*/b\.pth .*410 Gone.*Give") as refusal,
    ):
        hub.find([f"{root}/a.pth", f"{root}/b.pth"], "beit-b16")
    assert "\n" not in str(refusal.value)


def test_cached_files_are_used_before_any_request(online: Path) -> None:
    target = hub.cache_file("https://example.org/dino.pth")
    target.parent.mkdir(parents=True)
    target.write_bytes(b"weights")
    assert path_of("timm/nowhere", "https://example.org/dino.pth") == target


def test_pytorchs_cache_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
        assert hub.cache_file("https://example.org/a.pth") == Path(torch.hub.get_dir()) / "checkpoints" / "a.pth"
        monkeypatch.delenv(variable)
    assert hub.cache_file("https://example.org/a.pth") == Path(torch.hub.get_dir()) / "checkpoints" / "a.pth"


def test_offline_means_offline_for_official_files_too(cache: Path) -> None:
    behaviour = Behaviour(b"weights")
    with serving(behaviour) as root, pytest.raises(TeachMattersError, match="HF_HUB_OFFLINE is set"):
        hub.find([f"{root}/dino.pth"], "dino-s8")
    assert behaviour.ranges == []


def test_an_unwritable_cache_is_named(online: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (online / "torch").write_text("a file where the folder should be")
    with serving(Behaviour(b"weights")) as root, pytest.raises(TeachMattersError, match=r"cannot write .*TORCH_HOME"):
        hub.find([f"{root}/dino.pth"], "dino-s8")
