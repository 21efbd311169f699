"""Detect a file's format from its first bytes; the suffix may be wrong."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal, TypeAlias

from teachmatters.errors import TeachMattersError, listing

Format: TypeAlias = Literal["safetensors", "torch", "npz"]

READ = "teachmatters reads PyTorch (.pth, .pt, .bin), .safetensors and .npz files of weights"

FETCH = "fetch the file itself"
EXPORT = "save the network's state_dict() as .safetensors or with torch.save and give that file"
UNPACK = "unpack it and give the file of weights in it"

# First bytes, the format that they mark, and the advice to the user.
FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec",
        "a Git LFS pointer, not the file it points to",
        f"{FETCH}, such as with 'git lfs pull'",
    ),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5) of Keras", EXPORT),
    (b"GGUF", "a GGUF file", EXPORT),
    (b"\x93NUMPY", "a single NumPy array (.npy)", "save all arrays by name with np.savez"),
    (b"\x1f\x8b", "compressed with gzip", UNPACK),
    (b"BZh", "compressed with bzip2", UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"%PDF", "a PDF document", FETCH),
    (b"\x89PNG", "a PNG image", FETCH),
    (b"\xff\xd8\xff", "a JPEG image", FETCH),
)

# Fields that an ONNX model may have after its version, as protobuf writes their numbers.
ONNX_FIELDS = (b"\x12", b"\x1a", b"\x22", b"\x28", b"\x32", b"\x3a", b"\x42")

PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")


def format_of(path: Path) -> Format:
    """Return the format of a file of weights.

    Args:
        path: an existing file.

    Returns:
        the format of its content; the file's name does not matter.

    Raises:
        TeachMattersError: the file has another format; the message names it.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise TeachMattersError(f"{path} is empty: the download or copy failed; fetch it again")
    if _is_safetensors(head, path.stat().st_size):
        return "safetensors"
    if head.startswith(b"PK"):
        return _format_of_zip(path)
    what, advice = _foreign(head)
    if what:
        raise TeachMattersError(f"{path} is {what}, not a checkpoint; {advice}. {READ}")
    return "torch"


def _is_safetensors(head: bytes, size: int) -> bool:
    """Return True for a length of eight bytes followed by a JSON object of that length."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") + 8 <= size


def _format_of_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise TeachMattersError(
            f"{path} is not a checkpoint, or a damaged one (an incomplete zip archive); fetch it again"
        ) from None
    if any(name.endswith(".npy") for name in members):
        return "npz"
    if any(name.endswith("/constants.pkl") for name in members):
        raise TeachMattersError(
            f"{path} is a TorchScript program, not a file of weights, and is not run; save its state_dict() with "
            "torch.save and give that file, or use the published .safetensors"
        )
    if any(name.endswith("data.pkl") for name in members):
        return "torch"
    if "model.weights.h5" in members:
        raise TeachMattersError(f"{path} is a .keras file, not a checkpoint; {EXPORT}. {READ}")
    raise TeachMattersError(
        f"{path} is not a checkpoint: a zip archive that holds {listing(members, 3)}; {UNPACK}. {READ}"
    )


def _foreign(head: bytes) -> tuple[str, str]:
    """Return the format of a file that is not a checkpoint, and advice; empty if unknown."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    marks = (
        *((head.startswith(mark), what, advice) for mark, what, advice in FOREIGN),
        (text.startswith(PAGES), "an HTML or XML page, perhaps one that asks to sign in", FETCH),
        (head[257:262] == b"ustar", "a tar archive", UNPACK),
        (head[4:8] == b"TFL3", "a TensorFlow Lite model", EXPORT),
        (head[0] == 8 and head[2:3] in ONNX_FIELDS, "an ONNX model", EXPORT),
        (text.startswith((b"{", b"[")), "JSON text", "give the file of weights next to it"),
        (0x81 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF), "a MessagePack file, as Flax writes it", EXPORT),
    )
    return next(((what, advice) for true, what, advice in marks if true), None) or _text(head)


def _text(head: bytes) -> tuple[str, str]:
    try:
        line = head.decode("utf-8").splitlines()[0]
    except (UnicodeDecodeError, IndexError):
        return "", ""
    return (f"plain text ({line[:40]!r})", FETCH) if line.isprintable() else ("", "")
