"""Import matplotlib even if the environment names a backend that this Python lacks."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

VARIABLE, MODULE = "MPLBACKEND", "module://"


def drop_missing_backend() -> None:
    """Set MPLBACKEND to Agg if it names a missing module and matplotlib is not imported yet.

    A notebook's kernel sets it for every command that it starts, even for another Python.
    """
    name = os.environ.get(VARIABLE, "")
    if "matplotlib" in sys.modules or not name.startswith(MODULE):
        return
    if find_spec(name.removeprefix(MODULE).partition(".")[0]) is None:
        os.environ[VARIABLE] = "agg"
