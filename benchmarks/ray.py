"""Measure the speed-up and the overhead of Ray. ``python -m benchmarks.ray [--model random-s16] [--images 192]``.

1. One pass on two single-threaded workers relative to the same pass on one; workers are warm. It needs two idle cores.
2. One small cell as a command that starts and stops Ray, and as a command without Ray.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from teachmatters.runner.requests import AnalyzeRequest, EngineRequest
from teachmatters.runner.session.analyze import analyze

LEAST = 1.6
SMALL = ("--model", "mini-mae", "--metric", "attn-distance", "--limit", "16")


def seconds(workers: int, model: str, images: int, rounds: int) -> float:
    """Return the median time of a pass on this many workers, with one shard per worker."""
    import ray

    ray.init(
        address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            request = AnalyzeRequest(
                models=[model], metrics=["attn-distance"], db=Path(folder) / f"{number}.db", data=["scenes"],
                limit=images, device="cpu", engine=EngineRequest(name="ray"),
            )  # fmt: skip
            (outcome,) = analyze(request)
            if outcome.error is not None:
                raise outcome.error
            if number:  # in the first round workers start and build the model
                taken.append(outcome.seconds)
    ray.shutdown()
    return statistics.median(taken)


def command(*engine: str) -> float:
    """Return the wall time of one small cell."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        line = [sys.executable, "-m", "teachmatters", "analyze", *SMALL, "--db", f"{folder}/results.db", *engine]
        subprocess.run(line, check=True, capture_output=True)
        return time.perf_counter() - start


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="random-s16")
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    one, two = (seconds(workers, options.model, options.images, options.rounds) for workers in (1, 2))
    print(f"{options.model}, {options.images} images of scenes: one worker {one:.1f} s, two {two:.1f} s")
    print(f"  {one / two:.2f} times as fast (at least {LEAST})")
    alone, ray = (statistics.median(command(*engine) for _ in range(3)) for engine in ((), ("--engine", "ray")))
    print(f"tm analyze {' '.join(SMALL)}: {alone:.1f} s, with Ray started for it {ray:.1f} s, {ray - alone:.1f} s more")


if __name__ == "__main__":
    main()
