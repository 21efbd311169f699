"""The seeded checkpoints, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures import save_dino_s16, save_mae_b16


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
