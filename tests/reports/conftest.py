from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.stores import typical


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled store; not to be written."""
    return typical(tmp_path_factory.mktemp("store") / "results.db")
