"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from teachmatters.errors import TeachMattersError


@contextlib.contextmanager
def draft(target: Path) -> Iterator[Path]:
    """A file beside the target that takes its place in one step, or leaves no trace: what was there before stays.

    Raises:
        TeachMattersError: it cannot be written.
    """
    real = target.resolve()  # a link stays one
    # A pipe or a device is written to; nothing can take its place.
    beside = real.with_name(f".{real.name}.{os.getpid()}.part") if real.is_file() or not real.exists() else real
    try:
        yield beside
        if beside != real:
            os.replace(beside, real)  # noqa: PTH105 (one call, atomic)
    except OSError as error:
        reason = error.strerror or error
        raise TeachMattersError(
            f"cannot write {str(target)!r}: {reason}. Make room, or name a file elsewhere"
        ) from error
    finally:
        if beside != real:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
