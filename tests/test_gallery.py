"""Tests of the gallery: its images match their commands and the shipped results, and are small."""

from __future__ import annotations

import importlib.util
import re

import pytest
from PIL import Image

from tests.pages import DOCS, ROOT

SPEC = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
assert SPEC is not None
assert SPEC.loader is not None
gallery = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(gallery)
COMMANDS = gallery.commands()
PAGE = (DOCS / "gallery.md").read_text("utf-8")


def test_every_command_has_its_image_and_a_sentence() -> None:
    shown = re.findall(r"^!\[[^\]]+\]\((images/\S+)\)\n\n\S.*\.$", PAGE, re.MULTILINE)
    assert [f"docs/{name}" for name in shown] == list(COMMANDS)
    drawn = {str(path.relative_to(ROOT)) for path in (DOCS / "images" / "results").iterdir()}
    assert drawn == set(COMMANDS)


@pytest.mark.parametrize("file", COMMANDS)
def test_an_image_is_small_and_shows_the_stored_numbers(file: str) -> None:
    assert (ROOT / file).stat().st_size < 80_000
    with Image.open(ROOT / file) as image:
        assert image.info[gallery.ROWS] == gallery.hash_rows(COMMANDS[file], ROOT / "results.db")
