"""Matplotlib can be imported although the environment names a backend that this Python lacks."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

VARIABLE, MODULE = "MPLBACKEND", "module://"


def drop_missing_backend() -> None:
    """Set MPLBACKEND to Agg where it names a module that is not installed, and matplotlib is still to be imported.

    A notebook's kernel leaves its own there for every command that it starts, whatever Python that one runs in.
    """
    name = os.environ.get(VARIABLE, "")
    if "matplotlib" in sys.modules or not name.startswith(MODULE):
        return
    if find_spec(name.removeprefix(MODULE).partition(".")[0]) is None:
        os.environ[VARIABLE] = "agg"
