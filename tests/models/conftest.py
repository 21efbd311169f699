"""Fixtures of seeded checkpoints and empty caches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from filelock import FileLock

from tests import fixtures

WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "dino-s16": ("dino_s16.pth", fixtures.save_dino_s16),
    "moco-s16": ("vit-s-300ep.pth.tar", fixtures.save_moco_s16),
    "mae-b16": ("mae_b16.pth", fixtures.save_mae_b16),
    "beit-b16": ("beit_b16.pth", fixtures.save_beit_b16),
    "clip-b16": ("clip_b16.safetensors", fixtures.save_clip_b16),
}

Checkpoints = Callable[[str], Path]


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small networks on busy cores: threads that wait for each other take four times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """A named model's official file, written when it is first asked for, once for all workers of pytest-xdist."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "weights"
    folder.mkdir(exist_ok=True)

    def path(name: str) -> Path:
        file, write = WRITERS[name]
        with FileLock(shared / f"{file}.lock"):
            if not (folder / file).exists():
                write(folder / file)
        return folder / file

    return path


@pytest.fixture(scope="session")
def dino_s16(checkpoint: Checkpoints) -> Path:
    return checkpoint("dino-s16")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache and an empty cache of PyTorch, offline."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path
