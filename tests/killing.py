"""Kill a process at its n-th write to a file, by SQLite or by Python."""

from __future__ import annotations

import _sqlite3
import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

_SQLITE = {  # the system calls by which SQLite changes files; each may be replaced, for tests such as these
    "pwrite64": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "pwrite": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "write": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t),
    "ftruncate": (ctypes.c_int, ctypes.c_int, ctypes.c_int64),
    "unlink": (ctypes.c_int, ctypes.c_char_p),
}
_PYTHON = ("os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir")
_WRITING = os.O_WRONLY | os.O_RDWR

_pointer, _int, _text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p


class _Vfs(ctypes.Structure):
    """SQLite's ``sqlite3_vfs``."""

    _fields_ = (
        *((name, _int) for name in ("version", "file_size", "longest_path")),
        ("next", _pointer),
        ("name", _text),
        *((f"unused_{number}", _pointer) for number in range(14)),
        ("set_call", ctypes.CFUNCTYPE(_int, _pointer, _text, _pointer)),
        ("get_call", ctypes.CFUNCTYPE(_pointer, _pointer, _text)),
        ("next_call", _pointer),
    )


_kept: list[Any] = []  # SQLite calls these for as long as the process lives


def die_at(nth: int, *, torn: bool = False) -> Callable[[], int]:
    """Let this process be killed when it is about to write to a file for the n-th time; of 0 never.

    Args:
        nth: counted from now, over writes, cuts and removals of SQLite's, and over files that Python opens to write,
            renames, makes or removes.
        torn: whether half of what SQLite writes then comes to the disk.

    Returns:
        what tells how often it has written so far.
    """
    done = 0

    def due() -> bool:
        nonlocal done
        done += 1
        return done == nth

    _watch_python(due)
    vfs = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    vfs.restype = ctypes.POINTER(_Vfs)
    found = vfs(None)
    for name, kinds in _SQLITE.items():
        if address := found.contents.get_call(found, name.encode()):
            call = ctypes.CFUNCTYPE(*kinds, use_errno=True)
            watched = call(_watched(call(address), due, torn and "write" in name))
            _kept.append(watched)
            assert found.contents.set_call(found, name.encode(), ctypes.cast(watched, _pointer)) == 0
    return lambda: done


def _watched(original: Callable[..., int], due: Callable[[], bool], torn: bool) -> Callable[..., int]:
    def step(*arguments: Any) -> int:
        if due():
            if torn:
                file, content, size, *place = arguments
                original(file, content, size // 2, *place)
            _die()
        return original(*arguments)

    return step


def _watch_python(due: Callable[[], bool]) -> None:
    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if (opened or event in _PYTHON) and due():
            _die()

    sys.addaudithook(hear)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fork(work: Callable[[], object]) -> int:
    """Do something in a process of its own that ends at once. Returns its id."""
    gc.freeze()  # a collection in the child would copy each page that the two share
    if child := os.fork():
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def ended(child: int) -> int:
    """Wait for a process. Returns its exit status: -9 if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(work: Callable[[], object]) -> int:
    """Do something in a process of its own, and wait for it. Returns its exit status."""
    return ended(fork(work))
