"""The checkpoints of one training run: ``--weights 'run=ckpt-*.pth'`` names all of them, and each has its step."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any

from teachmatters.errors import TeachMattersError, listing

# The keys under which training code stores its progress, the finest unit first.
STEP_KEYS = ("global_step", "step", "iteration", "iter", "epoch")


def is_pattern(text: str) -> bool:
    """Return whether a value of --weights names several files.

    >>> is_pattern("run/ckpt-*.pth"), is_pattern("run/ckpt-100.pth")
    (True, False)
    """
    return glob.has_magic(text) and not Path(text).exists()


def checkpoints_of(pattern: str) -> dict[int, Path]:
    """Return the files that match a pattern by training step, the first step first.

    The step is the number in the part of the name that the wildcards match; where that part has none or several, it is
    the number that the file itself records (``global_step``, ``step``, ``iteration``, ``iter`` or ``epoch``).

    Args:
        pattern: a path with wildcards (``*``, ``?``, ``[0-9]``, ``**``); ``#NAME`` selects a network in each file.

    Raises:
        TeachMattersError: no file matches, a file has no step, or two files have the same one.
    """
    path, sign, network = pattern.partition("#")
    found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  # a pattern may be absolute
    if not found:
        raise TeachMattersError(f"--weights {pattern}: no file matches; list the files with 'ls {path}'")
    steps: dict[int, str] = {}
    for file in found:
        step = _step(path, file)
        if step in steps:
            raise TeachMattersError(
                f"--weights {pattern}: {steps[step]} and {file} are both of step {step}; use a narrower pattern"
            )
        steps[step] = file
    return {step: Path(f"{steps[step]}{sign}{network}") for step in sorted(steps)}


def _step(pattern: str, file: str) -> int:
    numbers = re.findall(r"\d+", _matched_by_wildcards(pattern, file))
    if len(numbers) == 1:
        return int(numbers[0])
    return _recorded_step(Path(file))


def _matched_by_wildcards(pattern: str, file: str) -> str:
    """Return the parts of a path that the wildcards of a pattern match, joined by spaces.

    >>> _matched_by_wildcards("vit16/ckpt-*.pth", "vit16/ckpt-0100.pth")
    '0100'
    """
    pieces = re.split(r"(\*+|\?|\[[^]]*\])", pattern)
    wild = {"*": "(.*)", "?": "(.)"}
    expression = "".join(
        re.escape(piece) if nth % 2 == 0 else wild.get(piece[0], f"({piece})") for nth, piece in enumerate(pieces)
    )
    match = re.fullmatch(expression, file)
    return " ".join(match.groups()) if match else Path(file).stem


def _recorded_step(file: Path) -> int:
    """Return the step that a checkpoint records.

    Raises:
        TeachMattersError: it records none.
    """
    from teachmatters.models.files.checkpoints import read

    content = read(file)
    for key in STEP_KEYS:
        number: Any = content.get(key)
        if getattr(number, "ndim", None) == 0:  # a tensor or array of one number
            number = number.item()
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            return number
    raise TeachMattersError(
        f"--weights {file}: its step is unknown: the wildcard matches no single number, and the file has none of the "
        f"keys {listing(STEP_KEYS)}; name the files by step, such as ckpt-1000.pth"
    )
