"""Entries of the cache: folders whose ``about.json`` describes their other files."""

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

FORMAT = 2  # version of the files; it is part of the key, so other versions are other entries
ABOUT, LOCK = "about.json", ".lock"
_FOLDER = re.compile(r"(?P<kind>[\w-]+)-[0-9a-f]{24}")
_WHOLE = re.compile(r"about\.json|[\w-]+\.safetensors")
# Unfinished files of a killed process, with the temporary names of this module or of safetensors.
_DRAFT = re.compile(r"\.(about\.json|[\w-]+\.safetensors)\.[0-9a-f]{32}|\.tmp\w{6}")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One folder of the cache.

    Attributes:
        path: the folder; it need not exist.
        kind: ``features``, or the analysis whose state it holds.
        facts: everything that its content depends on, as JSON represents it; an entry is found by all of them.
    """

    path: Path
    kind: str
    facts: KeyFields

    @classmethod
    def at(cls, root: Path, kind: str, facts: KeyFields) -> CacheEntry:
        """Return the entry of these facts in a cache.

        >>> CacheEntry.at(Path("results.db.cache"), "features", {"model": "dino-b16"}).path.name
        'features-3283467291476bf3b2e6c6b2'
        """
        kept = json.loads(json.dumps(facts))
        return cls(root / f"{kind}-{_digest(kind, kept)[:24]}", kind, kept)

    @property
    def key(self) -> str:
        """Return the sha256 in hex that every file of the entry holds to identify it."""
        return _digest(self.kind, self.facts)

    def begin(self, holds: KeyFields | None = None) -> None:
        """Make the folder and write its description.

        Args:
            holds: description of the content in addition to the facts; replaces the previous one. None: keep a
                description that exists.

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
                f"the cache {self.path.parent} cannot be written ({error.strerror or error}); set TM_CACHE "
                "to a writable folder"
            ) from error

    def holds(self) -> KeyFields | None:
        """Return the description of the content, None if there is none or it belongs to other facts."""
        about = _read(self.path)
        return about["holds"] if about is not None and about["facts"] == self.facts else None

    def touch(self) -> None:
        """Set the date of last use to now; a read-only cache keeps its date."""
        with contextlib.suppress(OSError):
            os.utime(self.path / ABOUT)

    def used(self) -> datetime:
        """Return the date of last use."""
        for path in (self.path / ABOUT, self.path):
            with contextlib.suppress(OSError):
                return datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return datetime.fromtimestamp(0, UTC)  # another process has just deleted it

    def files(self) -> list[Path]:
        """Return the complete files of the entry, sorted by name."""
        return self._named(_WHOLE)

    def drafts(self) -> list[Path]:
        """Return the unfinished files of running and of killed processes."""
        return self._named(_DRAFT)

    def _named(self, pattern: re.Pattern[str]) -> list[Path]:
        try:
            inside = list(self.path.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(path for path in inside if pattern.fullmatch(path.name) and path.is_file())

    def bytes(self) -> int:
        """Return its size on disk."""
        return sum(_size(path) for path in (*self.files(), *self.drafts()))

    def remove(self) -> int:
        """Delete the files of the entry, and the folder if it is empty then; return the bytes freed."""
        freed = _removed(self.drafts())
        # about.json is deleted last, so that an interrupted deletion leaves a recognisable entry.
        freed += _removed(sorted(self.files(), key=lambda path: path.name == ABOUT))
        (self.path / LOCK).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()
        return freed

    def sweep(self) -> int:
        """Delete unfinished files and return the bytes freed. The caller must know that no process writes here."""
        return _removed(self.drafts())


def entries(root: Path) -> Iterator[CacheEntry]:
    """Yield every entry of a cache, sorted by name; other files and folders are ignored.

    Only the kind is known of an entry whose ``about.json`` is damaged or missing.
    """
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        named = None if path.is_symlink() or not path.is_dir() else _FOLDER.fullmatch(path.name)
        if named is not None:
            about = _read(path) or {"teachmatters": named["kind"], "facts": {}}
            entry = CacheEntry(path, about["teachmatters"], about["facts"])
            if entry.files() or entry.drafts():
                yield entry


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # an unfinished file has just been renamed
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
    """Return what ``begin`` wrote, None for anything else."""
    try:
        about = json.loads((path / ABOUT).read_text("utf-8"))
        kind, facts, holds = about["teachmatters"], about["facts"], about["holds"]
        whole = about["sha256"] == _digest(kind, facts, holds)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    ours = isinstance(kind, str) and isinstance(facts, dict) and isinstance(holds, dict)
    return about if whole and ours and path.name.startswith(f"{kind}-") else None
