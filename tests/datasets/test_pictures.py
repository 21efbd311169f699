from __future__ import annotations

import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teachmatters.datasets import pictures
from teachmatters.datasets.pictures import read_picture
from tests.fixtures import picture


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 0x8000, (128, 128, 128)),
        ("LA", (0, 0), (255, 255, 255)),
        ("LA", (90, 255), (90, 90, 90)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
    ],
)
def test_every_mode_becomes_rgb(
    mode: str, colour: int | tuple[int, ...], expected: tuple[int, ...], tmp_path: Path
) -> None:
    Image.new(mode, (5, 3), colour).save(tmp_path / "p.png")
    read = read_picture(tmp_path / "p.png")
    assert (read.mode, read.size, read.getpixel((2, 1))) == ("RGB", (5, 3), expected)


def test_a_palette_with_transparency_lies_on_white(tmp_path: Path) -> None:
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([255, 0, 0, 0, 0, 255])
    indexed.putpixel((1, 0), 1)
    indexed.save(tmp_path / "p.png", transparency=bytes([255, 0]))
    read = read_picture(tmp_path / "p.png")
    assert (read.getpixel((0, 0)), read.getpixel((1, 0))) == ((255, 0, 0), (255, 255, 255))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "p.jpg", quality=95)
    red, green, blue = np.asarray(read_picture(tmp_path / "p.jpg"))[4, 4]
    assert red > 240
    assert green < 15
    assert blue < 15


def test_the_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "p.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "p.gif").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif", "bmp"])
def test_a_truncated_picture_is_an_error_that_the_runner_knows(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    picture("truncated").save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises((OSError, ValueError, SyntaxError)):
        read_picture(path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a\xff\xff"])
def test_a_corrupt_picture_is_an_error_that_the_runner_knows(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(content)
    with pytest.raises((OSError, ValueError, SyntaxError)):
        read_picture(tmp_path / "p.png")


def test_whatever_a_decoder_raises_becomes_a_value_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "p.png")

    def decode(_: Image.Image) -> Image.Image:
        raise IndexError("deep inside")

    monkeypatch.setattr(pictures, "to_rgb", decode)
    with pytest.raises(ValueError, match="IndexError: deep inside"):
        read_picture(tmp_path / "p.png")


def bomb(path: Path, side: int) -> None:
    """A PNG that says it is large: its header is all that is read."""
    Image.new("1", (1, 1)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    path.write_bytes(content)


@pytest.mark.parametrize("side", [9_600, 60_000], ids=["PIL warns", "PIL refuses"])
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_picture_that_is_too_large_is_a_value_error(side: int, action: str, tmp_path: Path) -> None:
    bomb(tmp_path / "p.png", side)
    with warnings.catch_warnings():
        warnings.simplefilter(action)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="pixels"):
            read_picture(tmp_path / "p.png")


def test_pil_does_not_warn_of_what_is_refused(tmp_path: Path) -> None:
    """In a process of its own: pytest has filters of its own."""
    bomb(tmp_path / "p.png", 9_600)
    code = (
        "import sys\nfrom pathlib import Path\nfrom teachmatters.datasets.pictures import read_picture\n"
        "try: read_picture(Path(sys.argv[1]))\nexcept ValueError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "p.png")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "9600 x 9600 pixels are too many" in answer.stdout
    assert answer.stderr == ""


def test_numbers_without_a_range_are_refused(tmp_path: Path) -> None:
    Image.new("F", (2, 2), 0.5).save(tmp_path / "p.tif")
    with pytest.raises(ValueError, match="no known range"):
        read_picture(tmp_path / "p.tif")
