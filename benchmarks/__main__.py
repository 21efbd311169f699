"""Run every benchmark, each in its own process."""

import subprocess
import sys

for name in ("attention", "cka", "knn", "postgres", "readouts", "scale", "scenes", "store", "tasks"):
    print(f"--- {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
