"""Write files atomically: complete, or not at all."""

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
    """Join a stem and an ending into a file name; shorten a stem that is too long and append its digest.

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
    """Yield a temporary file next to the target. It replaces the target at the end; after an error, it is removed.

    Raises:
        TeachMattersError: the file cannot be written.
    """
    real = target.resolve()  # keep a symbolic link
    # A pipe or a device cannot be replaced, so write to it directly.
    # The temporary name does not contain the target's, which may have the maximum length.
    part = real.with_name(f".{uuid.uuid4().hex}.part") if real.is_file() or not real.exists() else real
    try:
        yield part
        if part != real:
            os.replace(part, real)  # noqa: PTH105 (one call, atomic)
    except OSError as error:
        reason = error.strerror or error
        raise TeachMattersError(
            f"cannot write {str(target)!r}: {reason}. Free some disk space, or name a file elsewhere"
        ) from error
    finally:
        if part != real:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
