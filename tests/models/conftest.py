"""The seeded checkpoints, written once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.fixtures import save_dino_s16, save_mae_b16


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small networks on busy cores: threads that wait for each other take four times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dino_s16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "dino_s16.pth"
    save_dino_s16(path)
    return path


@pytest.fixture(scope="session")
def mae_b16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mae_b16.pth"
    save_mae_b16(path)
    return path
