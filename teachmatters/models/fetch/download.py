"""Download one file: resume a broken transfer, replace the file atomically, and check its hash on later use."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from teachmatters.errors import TeachMattersError

# Seconds to wait for an answer; short, so that a missing network is reported at once.
TIMEOUT = 5.0

# Attempts for a transfer that breaks off; the next command can continue it.
ATTEMPTS = 5

CHUNK = 1 << 20

# Called with the bytes so far and the total (0 if the server does not report it).
Progress: TypeAlias = Callable[[int, int], None]


class DownloadError(Exception):
    """A failed download; ``str`` is the reason."""


def download(address: str, target: Path, progress: Progress) -> None:
    """Download a file; ``target`` only ever exists complete.

    Received bytes are kept next to it as ``<name>.part``. The transfer resumes from them, also in a later command, as
    long as the server has the same version of the file.

    Args:
        address: http or https.
        target: the file to create.
        progress: see Progress.

    Raises:
        DownloadError: the server does not answer, answers with a web page, or the transfer keeps breaking off.
        OSError: the disk is full, or the folder is not writable.
    """
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # documented, not in __all__

    target.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(target.with_name(f"{target.name}.lock")):  # of two commands, one waits and finds the file
        if target.is_file():
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                part = _transfer(address, target, progress)
                break
            except (OSError, http.client.HTTPException) as error:
                lasting = isinstance(error, urllib.error.URLError) or not _is_network(error)
                if lasting or attempt == ATTEMPTS:
                    raise _explained(error) from error
        _validator(target).unlink(missing_ok=True)
        part.replace(target)


def _transfer(address: str, target: Path, progress: Progress) -> Path:
    """Transfer over one connection: the rest of the file, or all of it if the server's version has changed."""
    part, validator = target.with_name(f"{target.name}.part"), _validator(target)
    done = part.stat().st_size if part.is_file() and validator.is_file() else 0
    request = urllib.request.Request(address)  # noqa: S310  (from our own table, never from a user)
    if done:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", validator.read_text("ascii"))
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310  (as above)
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise DownloadError("it answers with a web page instead of a file")
        resumed = answer.status == http.client.PARTIAL_CONTENT
        done = done if resumed else 0
        total = done + int(answer.headers.get("Content-Length") or 0)
        _remember(validator, answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
        with part.open("ab" if resumed else "wb") as out:
            while chunk := answer.read(CHUNK):
                out.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total and done != total:
        raise http.client.IncompleteRead(b"", total - done)
    return part


def _validator(target: Path) -> Path:
    """Return the file that holds the server's version tag during a download."""
    return target.with_name(f"{target.name}.part.etag")


def _remember(validator: Path, word: str) -> None:
    """Save the server's version tag; without one, a transfer cannot be resumed."""
    if word and not word.startswith("W/"):
        validator.write_text(word, "ascii")
    else:
        validator.unlink(missing_ok=True)


def _is_network(error: Exception) -> bool:
    return isinstance(error, http.client.HTTPException | ConnectionError | TimeoutError)


def _explained(error: Exception) -> Exception:
    """Convert a network error to a DownloadError; return a disk error unchanged."""
    if isinstance(error, urllib.error.HTTPError):
        return DownloadError(f"the server answers {error.code} {error.reason}")
    if isinstance(error, urllib.error.URLError):
        return DownloadError(str(error.reason))
    if isinstance(error, http.client.IncompleteRead):
        return DownloadError(f"the connection broke off {ATTEMPTS} times; run the same command again to resume")
    return DownloadError(str(error) or type(error).__name__) if _is_network(error) else error


def check_unchanged(path: Path, digest: str) -> None:
    """Compare a downloaded file with the sha256 recorded next to it; record it at first use.

    Args:
        path: the file.
        digest: its sha256 in hex, now.

    Raises:
        TeachMattersError: the file has changed.
    """
    record = path.with_name(f"{path.name}.sha256")
    try:
        if not record.is_file():
            record.write_text(f"{digest}  {path.name}\n", "utf-8")  # the form that sha256sum --check reads
        recorded = record.read_text("utf-8").split()[:1]
    except OSError:  # a shared, read-only cache
        return
    if recorded != [digest]:
        raise TeachMattersError(
            f"{path} is not the file that was used before (its sha256 is {digest[:12]}..., {record.name} says "
            f"{''.join(recorded)[:12]}...): delete both to fetch it again, or delete {record.name} alone if the new "
            "file is the right one"
        )
