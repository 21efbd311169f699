"""Measure the cost of the attention analysis on a GPU, in under five minutes. ``python -m benchmarks.gpu``.

``make bench-gpu`` runs it, too. For each model and dtype: images per second of the plain fused forward pass and of the
analysis, with their ratio (medians of interleaved rounds; images are decoded and transformed beforehand), the peak
memory, and the difference of the metrics of two images from those of the CPU in float32.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable

import torch

from benchmarks.attention import Contest, untrained
from teachmatters.analyses.attention.attention_reduction import Reduction

# timm's name, pixels, images and batch size.
CASES = (("vit_base_patch16_224", 224, 512, 64), ("vit_large_patch14_dinov2", 518, 64, 8))
# The largest ratio of the whole analysis, and the largest relative difference from the CPU.
LIMITS = {torch.float32: (1.3, 1e-4), torch.bfloat16: (1.5, 5e-2)}
METRICS = frozenset({"attn-distance", "attn-on-cls", "attn-entropy", "attn-position-std"})


def speed(case: tuple[str, int, int, int], dtype: torch.dtype, device: torch.device, rounds: int) -> None:
    """Print the speed and the memory of one model."""
    name, pixels, images, size = case
    contest = Contest(untrained(name, pixels), device, images, size, dtype)
    ways: dict[str, Callable[[], None]] = {
        "plain forward": contest.plain,
        "attention is read": contest.read,
        "attn-distance": lambda: contest.analysed(contest.ready, "attn-distance"),
        "all metrics and maps": lambda: contest.analysed(contest.ready),
    }
    print(f"{name}, {pixels} pixels, {dtype}, batches of {size} (all: at most {LIMITS[dtype][0]})")
    for work in ways.values():
        work()  # warm
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            taken[way].append(contest.seconds(work))
    plain = statistics.median(taken["plain forward"])
    for way, times in taken.items():
        median = statistics.median(times)
        print(f"  {way:22} {images / median:8.0f} images/s   ratio {median / plain:5.2f}   {peak(ways[way], device)}")


def peak(work: Callable[[], None], device: torch.device) -> str:
    """Return the peak memory of a call, in words."""
    if device.type != "cuda":
        return ""
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return f"peak {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB"


def numbers(name: str, pixels: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return the metrics of all layers of two noise images, flattened, on the CPU."""
    torch.manual_seed(0)
    adapter = untrained(name, pixels)
    adapter.to(device, dtype)
    reduction = Reduction(adapter.info, METRICS, device, images=2)
    found: list[torch.Tensor] = []

    def sink(_layer: int, _tap: str, attention: torch.Tensor) -> None:
        reduced = reduction.of(attention, [0, 1]).numbers
        found.extend(reduced[metric].flatten().cpu().double() for metric in sorted(reduced))

    generator = torch.Generator().manual_seed(0)
    adapter.stream(torch.randn(2, 3, pixels, pixels, generator=generator).to(device), frozenset({"attention"}), sink)
    return torch.cat(found)


def main() -> None:
    """Measure every model in float32 and bfloat16."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda", help="cuda; cpu only tries the script, on one small model")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("this machine has no GPU that torch can use")
    cases = CASES if device.type == "cuda" else (("vit_tiny_patch16_224", 64, 4, 2),)
    for case in cases:
        name, pixels = case[:2]
        exact = numbers(name, pixels, torch.device("cpu"), torch.float32)
        for dtype, (_, tolerance) in LIMITS.items():
            speed(case, dtype, device, options.rounds)
            far = ((numbers(name, pixels, device, dtype) - exact).abs() / exact.abs().clamp_min(1e-3)).max()
            print(f"  differs from the CPU in float32 by {far:.1e} (at most {tolerance})", flush=True)


if __name__ == "__main__":
    main()
