from __future__ import annotations

import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from teachmatters.datasets import images
from teachmatters.datasets.images import MOST_PIXELS, formats, is_image, read_image
from tests.fixtures import image
from tests.pages import DOCS, section


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
    read = read_image(tmp_path / "p.png")
    assert (read.mode, read.size, read.getpixel((2, 1))) == ("RGB", (5, 3), expected)


def test_a_palette_with_transparency_lies_on_white(tmp_path: Path) -> None:
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([255, 0, 0, 0, 0, 255])
    indexed.putpixel((1, 0), 1)
    indexed.save(tmp_path / "p.png", transparency=bytes([255, 0]))
    read = read_image(tmp_path / "p.png")
    assert (read.getpixel((0, 0)), read.getpixel((1, 0))) == ((255, 0, 0), (255, 255, 255))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "p.jpg", quality=95)
    red, green, blue = np.asarray(read_image(tmp_path / "p.jpg"))[4, 4]
    assert red > 240
    assert green < 15
    assert blue < 15


def test_the_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "p.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "p.gif").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif", "bmp"])
def test_a_truncated_image_is_an_error_that_the_runner_skips(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    image("truncated").save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises((OSError, ValueError, SyntaxError)):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a\xff\xff"])
def test_a_corrupt_image_is_an_error_that_the_runner_skips(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(content)
    with pytest.raises((OSError, ValueError, SyntaxError)):
        read_image(tmp_path / "p.png")


def test_whatever_a_decoder_raises_becomes_a_value_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "p.png")

    def decode(_: Image.Image) -> Image.Image:
        raise IndexError("deep inside")

    monkeypatch.setattr(images, "to_rgb", decode)
    with pytest.raises(ValueError, match="IndexError: deep inside"):
        read_image(tmp_path / "p.png")


def bomb(path: Path, side: int) -> None:
    """A PNG that says it is large: its header is all that is read."""
    Image.new("1", (1, 1)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    path.write_bytes(content)


@pytest.mark.parametrize("bound", [Image.MAX_IMAGE_PIXELS, None], ids=["Pillow's bound", "Pillow without a bound"])
def test_an_image_that_is_too_large_is_a_value_error(
    bound: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", bound)
    bomb(tmp_path / "p.png", 13_378)
    assert 13_377**2 < MOST_PIXELS < 13_378**2
    with pytest.raises(ValueError, match="pixels"):
        read_image(tmp_path / "p.png")


def test_a_hundred_megapixels_are_read_without_a_warning(tmp_path: Path) -> None:
    """In a process of its own: pytest has filters of its own."""
    Image.new("1", (10_000, 10_000), 1).save(tmp_path / "p.png")
    code = (
        "import sys\nfrom pathlib import Path\nfrom teachmatters.datasets.images import read_image\n"
        "print(read_image(Path(sys.argv[1])).size)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "p.png")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("(10000, 10000)\n", "")


def test_the_page_names_the_bound_and_every_suffix() -> None:
    page = (DOCS / "data.md").read_text("utf-8")
    assert f"{MOST_PIXELS:,} pixels" in page
    told = section(DOCS / "data.md", "### Files that are read")
    assert [suffix for suffix in formats() if f"`{suffix}`" not in told] == []
    assert re.findall(r"[\d,]{9,} pixels", page) == [f"{MOST_PIXELS:,} pixels"]


@pytest.mark.parametrize("suffix", [".avif", ".jfif", ".pgm", ".jp2", ".tga"])
def test_every_format_that_pillow_reads_is_read(suffix: str, tmp_path: Path) -> None:
    if suffix not in formats():
        pytest.skip(f"this Pillow was built without {suffix}")
    image("suffix").convert("L" if suffix == ".pgm" else "RGB").save(tmp_path / f"p{suffix}")
    assert read_image(tmp_path / f"p{suffix}").size == image("suffix").size


@pytest.mark.parametrize("name", ["p.eps", "p.jpg"])
def test_no_external_program_is_run_for_an_image(name: str, tmp_path: Path) -> None:
    """Pillow hands PostScript to Ghostscript, whatever a file is called."""
    Image.new("RGB", (4, 4)).save(tmp_path / name, "EPS")
    assert is_image(name) == (name == "p.jpg")
    with pytest.raises(OSError, match="cannot identify"):
        read_image(tmp_path / name)


def tagged(path: Path, orientation: int) -> Image.Image:
    """A file with an orientation tag; returns what it holds."""
    stored = image(f"orientation {orientation}", 24, 16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(path, exif=exif, lossless=True)
    return stored


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientation_is_applied_when_asked_for(orientation: int, suffix: str, tmp_path: Path) -> None:
    stored = tagged(tmp_path / f"p{suffix}", orientation)
    assert read_image(tmp_path / f"p{suffix}").tobytes() == stored.tobytes()
    with Image.open(tmp_path / f"p{suffix}") as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    turned = read_image(tmp_path / f"p{suffix}", upright=True)
    assert (turned.size, turned.tobytes()) == (expected.size, expected.tobytes())
    assert (turned.size == (16, 24)) == (orientation in (5, 6, 7, 8))


def test_damaged_tags_leave_an_image_as_it_is_stored(tmp_path: Path) -> None:
    stored = image("damaged tags", 24, 16)
    stored.save(tmp_path / "p.png", exif=b"Exif\x00\x00XX" + bytes(range(40)))
    assert read_image(tmp_path / "p.png", upright=True).tobytes() == stored.tobytes()


def test_numbers_without_a_range_are_refused(tmp_path: Path) -> None:
    Image.new("F", (2, 2), 0.5).save(tmp_path / "p.tif")
    with pytest.raises(ValueError, match="no known range"):
        read_image(tmp_path / "p.tif")
