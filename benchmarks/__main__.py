"""Run every benchmark, each in its own process."""

import subprocess
import sys

NAMES = (
    "alternatives",
    "attention",
    "cka",
    "knn",
    "large_gallery",
    "postgres",
    "readouts",
    "scale",
    "scenes",
    "store",
    "tasks",
)

for name in NAMES:
    print(f"--- {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
