"""Check what a plugin imports at ``tm --help``, in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from teachmatters.plugin.findings import CheckFailed, CheckList
from teachmatters.plugin.source import place

# Packages that take a noticeable part of a second to import and are not needed for listings.
HEAVY = [
    *("torch", "torchvision", "timm", "transformers", "lightly", "tensorflow", "jax"),
    *("numba", "numpy", "scipy", "sklearn", "skimage", "cv2", "pandas", "matplotlib", "plotly", "sqlalchemy"),
]

CODE = """
import json, sys, traceback

heavy, met = set(sys.argv[1:]), {}

class ImportWatcher:
    def find_spec(self, name, path=None, target=None):
        if name in heavy and name not in met:
            met[name] = [(frame.filename, frame.lineno) for frame in traceback.extract_stack()]

sys.meta_path.insert(0, ImportWatcher())
from teachmatters.registry.plugins import discover
discover()
print()
print(json.dumps({name: frames for name, frames in met.items() if name in sys.modules}))
"""

HEAVY_AT_START = (
    "is imported at start, which slows down every tm command: import it in the module that a spec names, or in the "
    "function that needs it"
)
TIMEOUT = 120


def check_start(sheet: CheckList) -> None:
    """Start a new process with this plugin alone, and check which heavy packages it imports."""
    with sheet.check("start") as tell:
        printed, met = _started(sheet)
        told: set[str] = set()
        for name, lines in met.items():  # in the order of import, without packages that the first one imports
            own = [place(Path(file), line) for file, line in lines if sheet.package.has(file)]
            if own and own[-1] not in told:
                told.add(own[-1])
                tell(f"{name} {HEAVY_AT_START}", own[-1])
        if printed.strip():
            line = printed.strip().splitlines()[0][:60]
            tell(f"it prints when imported ({line!r}), at the start of every command's output")


def _started(sheet: CheckList) -> tuple[str, dict[str, list[tuple[str, int]]]]:
    """Return the printed text, and by name the lines that lead to the import of each heavy package."""
    alone = "" if sheet.plugin.built_in else sheet.plugin.distribution
    surroundings = {**os.environ, "TM_LOAD_PLUGINS": alone, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-c", CODE, *HEAVY]
    try:
        answer = subprocess.run(  # noqa: S603  (this Python, and a program of ours)
            command, env=surroundings, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"importing it takes more than {TIMEOUT} s") from None
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["no word"])[-1]
        raise CheckFailed(f"a process that imports it ends with exit code {answer.returncode} ({last})")
    printed, _, told = answer.stdout.rstrip("\n").rpartition("\n")
    return printed, json.loads(told)
