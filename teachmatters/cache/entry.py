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

KeyFields: TypeAlias = Mapping[str, Any]

FORMAT = 2  # of an entry's files; one that was written in another is another entry
ABOUT, LOCK = "about.json", ".lock"
_FOLDER = re.compile(r"(?P<kind>[\w-]+)-[0-9a-f]{24}")
_WHOLE = re.compile(r"about\.json|[\w-]+\.safetensors")
# What a killed process leaves of a file that it was writing: under our name for it, or the one of safetensors.
_DRAFT = re.compile(r"\.(about\.json|[\w-]+\.safetensors)\.[0-9a-f]{32}|\.tmp\w{6}")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One folder of the cache.

    Attributes:
        path: the folder; it need not exist.
        kind: ``features``, or the analysis whose state it holds.
        facts: all that its content depends on, as JSON keeps it; found again by nothing less.
    """

    path: Path
    kind: str
    facts: KeyFields

    @classmethod
    def at(cls, root: Path, kind: str, facts: KeyFields) -> CacheEntry:
        """The entry of these facts in a cache.

        >>> CacheEntry.at(Path("results.db.cache"), "features", {"model": "dino-b16"}).path.name
        'features-3283467291476bf3b2e6c6b2'
        """
        kept = json.loads(json.dumps(facts))
        return cls(root / f"{kind}-{_digest(kind, kept)[:24]}", kind, kept)

    @property
    def key(self) -> str:
        """What every file of the entry says that it belongs to: sha256 in hex."""
        return _digest(self.kind, self.facts)

    def begin(self, holds: KeyFields | None = None) -> None:
        """Make the folder and say what it holds, unless that has been done.

        Args:
            holds: what is to be known of the content beside the facts; replaces what was said before.

        Raises:
            TeachMattersError: the folder cannot be written.
        """
        if holds is None and self.holds() is not None:
            return
        holds = json.loads(json.dumps(holds or {}))
        about = {"teachmatters": self.kind, "facts": self.facts, "holds": holds}
        about["sha256"] = _digest(self.kind, self.facts, holds)
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

    def holds(self) -> KeyFields | None:
        """What was said of the content, None if nothing was, or of something else."""
        about = _read(self.path)
        return about["holds"] if about is not None and about["facts"] == self.facts else None

    def touch(self) -> None:
        """It was used now. Somebody else's cache that may only be read keeps its date."""
        with contextlib.suppress(OSError):
            os.utime(self.path / ABOUT)

    def used(self) -> datetime:
        """When it was last used."""
        for path in (self.path / ABOUT, self.path):
            with contextlib.suppress(OSError):
                return datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return datetime.fromtimestamp(0, UTC)  # somebody else has just dropped it

    def files(self) -> list[Path]:
        """What was written here by us, by name."""
        return self._named(_WHOLE)

    def drafts(self) -> list[Path]:
        """What is being written here, and what was when a process was killed."""
        return self._named(_DRAFT)

    def _named(self, pattern: re.Pattern[str]) -> list[Path]:
        try:
            inside = list(self.path.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(path for path in inside if pattern.fullmatch(path.name) and path.is_file())

    def bytes(self) -> int:
        """On disk."""
        return sum(_size(path) for path in (*self.files(), *self.drafts()))

    def remove(self) -> int:
        """Delete what was written here by us, and the folder if that was all; the bytes that it took."""
        freed = _removed(self.drafts())
        freed += _removed(
            sorted(self.files(), key=lambda path: path.name == ABOUT)
        )  # broken off, it stays recognisable
        (self.path / LOCK).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()
        return freed

    def sweep(self) -> int:
        """Delete what killed processes were writing; only for one who knows that nobody writes. The bytes freed."""
        return _removed(self.drafts())


def entries(root: Path) -> Iterator[CacheEntry]:
    """Every entry of a cache, by name; what is no entry of ours is passed over.

    Of one whose ``about.json`` is damaged or not there, nothing but the kind is known.
    """
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        named = None if path.is_symlink() or not path.is_dir() else _FOLDER.fullmatch(path.name)
        if named is not None:
            about = _read(path) or {"teachmatters": named["kind"], "facts": {}}
            entry = CacheEntry(path, about["teachmatters"], about["facts"])
            if entry.files() or entry.drafts():
                yield entry


def _size(path: Path) -> int:
    """0 of a draft that has just become a file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _removed(paths: list[Path]) -> int:
    freed = 0
    for path in paths:
        freed += _size(path)
        path.unlink(missing_ok=True)
    return freed


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps([FORMAT, *parts], sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """What ``begin`` wrote, None if anything else is there."""
    try:
        about = json.loads((path / ABOUT).read_text("utf-8"))
        kind, facts, holds = about["teachmatters"], about["facts"], about["holds"]
        whole = about["sha256"] == _digest(kind, facts, holds)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    ours = isinstance(kind, str) and isinstance(facts, dict) and isinstance(holds, dict)
    return about if whole and ours and path.name.startswith(f"{kind}-") else None
