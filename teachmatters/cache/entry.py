"""An entry of the cache: a folder whose ``about.json`` says what its other files hold."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from teachmatters.errors import TeachMattersError

Facts: TypeAlias = Mapping[str, Any]

ABOUT = "about.json"
_OURS = re.compile(r"about\.json|[\w-]+\.safetensors|\.(about\.json|[\w-]+\.safetensors)\.[0-9a-f]{32}")
"""The files that an entry is made of, and the drafts that a killed process leaves behind."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One folder of the cache.

    Attributes:
        path: the folder; it need not exist.
        kind: ``features``, or the analysis whose state it holds.
        facts: all that its content depends on, as JSON keeps it; found again by nothing less.
    """

    path: Path
    kind: str
    facts: Facts

    @classmethod
    def at(cls, root: Path, kind: str, facts: Facts) -> Entry:
        """The entry of these facts in a cache.

        >>> Entry.at(Path("results.db.cache"), "features", {"model": "dino-b16"}).path.name
        'features-40e49269c1d65990ffb64ec8'
        """
        text = json.dumps(facts, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        return cls(root / f"{kind}-{digest}", kind, json.loads(text))

    def begin(self, holds: Facts | None = None) -> None:
        """Make the folder and say what it holds, unless that has been done.

        Args:
            holds: what is to be known of the content beside the facts; replaces what was said before.

        Raises:
            TeachMattersError: the folder cannot be written.
        """
        if holds is None and (self.path / ABOUT).exists():
            return
        about = {"teachmatters": self.kind, "facts": self.facts, "holds": holds or {}}
        draft = self.path / f".{ABOUT}.{uuid.uuid4().hex}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(about, indent=1), encoding="utf-8")
            os.replace(draft, self.path / ABOUT)  # noqa: PTH105 (one call, atomic)
        except OSError as error:
            raise TeachMattersError(
                f"the cache {self.path.parent} cannot be written ({error.strerror or error}); name a folder that can "
                "be with TM_CACHE"
            ) from error

    def holds(self) -> Facts | None:
        """What was said of the content, None if there is none."""
        about = _read(self.path)
        return None if about is None else about["holds"]

    def touch(self) -> None:
        """It was used now. Somebody else's cache that may only be read keeps its date."""
        with contextlib.suppress(OSError):
            os.utime(self.path / ABOUT)

    def used(self) -> datetime:
        """When it was last used."""
        return datetime.fromtimestamp((self.path / ABOUT).stat().st_mtime, UTC)

    def files(self) -> list[Path]:
        """What was written here by us, by name."""
        inside = self.path.iterdir() if self.path.is_dir() else ()
        return sorted(path for path in inside if _OURS.fullmatch(path.name) and path.is_file())

    def bytes(self) -> int:
        """On disk."""
        return sum(path.stat().st_size for path in self.files())

    def remove(self) -> int:
        """Delete what was written here by us, and the folder if that was all; the bytes that it took."""
        freed = 0
        for path in sorted(self.files(), key=lambda path: path.name == ABOUT):  # broken off, it stays recognisable
            size = path.stat().st_size
            path.unlink(missing_ok=True)
            freed += size
        with contextlib.suppress(OSError):
            self.path.rmdir()
        return freed


def entries(root: Path) -> Iterator[Entry]:
    """Every entry of a cache, by name; what is no entry of ours is passed over."""
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        about = None if path.is_symlink() else _read(path)
        if about is not None:
            yield Entry(path, about["teachmatters"], about["facts"])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        about = json.loads((path / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(about, dict) and {"teachmatters", "facts", "holds"} <= set(about)
    return about if ours and path.name.startswith(f"{about['teachmatters']}-") else None
