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
COLOURS, WIDEST = 64, 1100  # of an image; pixels
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
    image = Image.open(file).convert("RGB")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    few = image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    told = PngImagePlugin.PngInfo()
    told.add_text("Software", "teachmatters")
    told.add_text(ROWS, hash_rows(arguments, db))
    few.save(file, optimize=True, pnginfo=told)


if __name__ == "__main__":
    root = DOCS.parent
    for name, words in commands().items():
        draw(root / name, words, root / "results.db")
