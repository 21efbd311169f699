"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from teachmatters.errors import TeachMattersError

# The largest number of bytes in a file name on common file systems.
LONGEST = 255


def fitting(stem: str, ending: str) -> str:
    """Return a file name of these two parts; a stem that would make it too long ends in a digest of the whole.

    >>> fitting("cat.mini-dino", ".png"), len(fitting("x" * 300, ".png"))
    ('cat.mini-dino.png', 255)
    """
    room = LONGEST - len(ending.encode())
    whole = stem.encode()
    if len(whole) <= room:
        return stem + ending
    digest = "~" + hashlib.sha256(whole).hexdigest()[:8]
    return whole[: room - len(digest)].decode(errors="ignore") + digest + ending


@contextlib.contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary file next to the target, which replaces it in one step, or leaves it as it was.

    Raises:
        TeachMattersError: it cannot be written.
    """
    real = target.resolve()  # a link stays one
    # A pipe or a device is written to; nothing can take its place.
    # The name does not contain the target's, which may already be as long as a name can be.
    part = real.with_name(f".{uuid.uuid4().hex}.part") if real.is_file() or not real.exists() else real
    try:
        yield part
        if part != real:
            os.replace(part, real)  # noqa: PTH105 (one call, atomic)
    except OSError as error:
        reason = error.strerror or error
        raise TeachMattersError(
            f"cannot write {str(target)!r}: {reason}. Make room, or name a file elsewhere"
        ) from error
    finally:
        if part != real:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
