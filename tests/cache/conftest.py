"""What a test holds of a cache it lets go of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from teachmatters.cache.holding import release


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    yield
    release()
