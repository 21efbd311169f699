"""Draw the figures of gallery.md: run every command of the page and store the images in few colours."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from PIL import Image, PngImagePlugin

DOCS = Path(__file__).parent
LARGEST = 62_000  # bytes of an image
# Width in pixels, and colours: smaller and fewer only where an image would be too large.
SIZES = ((900, 256), (900, 128), (900, 64), (700, 128), (700, 64))
ROWS = "Rows"  # the key, in an image's metadata, of the hash of the numbers that it shows


def commands() -> dict[str, list[str]]:
    """Return the arguments of each command of the page by its image, without ``tm`` and ``--plot``."""
    found = {}
    for line in re.findall(r"^tm (report .*)$", (DOCS / "gallery.md").read_text("utf-8"), re.MULTILINE):
        *arguments, option, file = shlex.split(line)
        assert option == "--plot", line
        found[file] = arguments
    return found


def hash_rows(arguments: list[str], db: Path) -> str:
    """Return a hash of the rows that a report prints."""
    return hashlib.sha256(output_of([*arguments, "--db", str(db), "--format", "csv"]).encode()).hexdigest()


def output_of(arguments: list[str]) -> str:
    """Run a command in this process and return what it prints."""
    from teachmatters.cli.app import app

    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(io.StringIO()):
        app(arguments, prog_name="tm", standalone_mode=False)
    return text.getvalue()


def draw(file: Path, arguments: list[str], db: Path) -> None:
    """Draw one figure, reduce its colours, and note which rows it shows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    output_of([*arguments, "--db", str(db), "--plot", str(file)])
    with Image.open(file) as drawn:
        whole = drawn.convert("RGB")
    told = PngImagePlugin.PngInfo()
    told.add_text("Software", "teachmatters")
    told.add_text(ROWS, hash_rows(arguments, db))
    for widest, colours in SIZES:
        width = min(widest, whole.width)
        image = whole.resize((width, round(whole.height * width / whole.width)), Image.Resampling.LANCZOS)
        few = image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(file, optimize=True, pnginfo=told)
        if file.stat().st_size <= LARGEST:
            break


if __name__ == "__main__":
    root = DOCS.parent
    for name, words in commands().items():
        draw(root / name, words, root / "results.db")
