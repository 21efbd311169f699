"""Where all chance comes from: one generator for each thing that is drawn, named by what it is."""

from __future__ import annotations

from zlib import crc32

import numpy as np

# Of the drawing, and part of every item's key: a change of any image changes it, and with it the fingerprint.
VERSION = 3


def generator(world: int, stream: str, *numbers: int) -> np.random.Generator:
    """The generator of one scene, individual, ...; the same in every process.

    >>> generator(0, "val", 3).integers(1000) == generator(0, "val", 3).integers(1000)
    np.True_
    """
    return np.random.default_rng([VERSION, world, crc32(stream.encode()), *numbers])


def one_of(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    """One of them; much faster than ``rng.choice``."""
    return options[int(rng.integers(len(options)))]
