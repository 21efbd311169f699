"""Fixtures of the stores of three machines, copied for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.store.merging import study
from tests.store.samples import store_at


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs on three machines, some on two of them; on each they were stored as they finished."""
    every, folder = study(), tmp_path_factory.mktemp("machines")
    shares = (every[:12], every[8:18], [*every[15:], every[0]])
    ordered = [sorted(share, key=lambda one: one[0].finished_at) for share in shares]
    return [store_at(folder / name, *share) for name, share in zip(("a.db", "b.db", "c.db"), ordered, strict=True)]


@pytest.fixture
def three(machines: list[Path], tmp_path: Path) -> list[Path]:
    """Copies of them, in the test's own folder."""
    return [Path(shutil.copy2(path, tmp_path)) for path in machines]
