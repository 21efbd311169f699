"""A fixture that releases the cache entries that a test uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from teachmatters.cache.holding import release


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    yield
    release()
