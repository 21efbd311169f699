"""Write packages as pip installs them: files next to a dist-info folder, on Python's path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from teachmatters import registry


def write_plugin(folder: Path, name: str, files: Mapping[str, str], module: str = "") -> str:
    """Write a plugin's files and metadata below a folder; returns the module that its entry point names."""
    module = module or name.replace("-", "_")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[teachmatters]\n{name} = {module}\n")
    return module


@contextmanager
def installed(folder: Path, name: str, files: Mapping[str, str] | None = None, module: str = "") -> Iterator[None]:
    """The plugin of that name beside the built-in ones and no other; ``files`` None: they are in the folder already."""
    if files is not None:
        module = write_plugin(folder, name, files, module)
    top = (module or name.replace("-", "_")).partition(".")[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("TM_LOAD_PLUGINS", name)
        importlib.invalidate_caches()
        registry.load.cache_clear()
        try:
            yield
        finally:
            for each in [each for each in sys.modules if each.partition(".")[0] == top]:
                del sys.modules[each]
    registry.load.cache_clear()
