"""Opens files and addresses in the user's browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path


def open_address(address: str) -> bool:
    """Open an address, unless the only browser runs in the terminal; return whether it was opened."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    return type(browser) is not webbrowser.GenericBrowser and browser.open(address)


def open_file(path: Path) -> bool:
    """Open a file, as ``open_address``."""
    return open_address(path.resolve().as_uri())
