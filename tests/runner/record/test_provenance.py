from __future__ import annotations

import subprocess
from pathlib import Path

import teachmatters
from teachmatters.runner.record.provenance import git_commit


def test_the_commit_is_that_of_the_checkout() -> None:
    root = Path(*teachmatters.__path__).resolve().parent
    head = None
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        head = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None
    assert git_commit() == head
