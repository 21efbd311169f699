"""The provenance of a run: package versions and commit."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("teachmatters", "torch", "timm", "numba", "numpy", "scikit-learn", "pillow", "transformers")


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of the packages that compute."""
    found = {package: _version(package) for package in packages}
    return {"python": platform.python_version(), **{package: text for package, text in found.items() if text}}


@functools.cache
def _version(package: str) -> str | None:
    """Return the version of an installed package, read once per process; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@functools.cache
def git_commit() -> str | None:
    """Return the commit of the checkout that this code runs from, None for an installed package."""
    package = Path(__file__).resolve().parents[2]
    if not (package.parent / ".git").exists():
        return None
    command = ["git", "-C", str(package), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
