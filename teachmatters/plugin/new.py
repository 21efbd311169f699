"""``tm plugin new``: write a package that can be installed, is found, and passes its own tests."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template
from typing import Literal, TypeAlias, get_args

from teachmatters.errors import TeachMattersError
from teachmatters.hookspecs import API_VERSION
from teachmatters.plugin.names import check_name, module_of

Kind: TypeAlias = Literal["model", "dataset", "analysis", "command"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SUFFIX = ".template"


@dataclass(frozen=True, slots=True)
class Purpose:
    """The purpose of a kind of package, and its dependencies besides teachmatters."""

    description: str
    needs: tuple[str, ...] = ()


PURPOSES: Mapping[Kind, Purpose] = {
    "model": Purpose("A model for teachmatters.", ("torch>=2.5",)),
    "dataset": Purpose("A data set for teachmatters.", ("pillow>=10.4",)),
    "analysis": Purpose("An analysis for teachmatters.", ("numpy>=1.26", "torch>=2.5")),
    "command": Purpose("A command for teachmatters.", ("typer>=0.26",)),
}


def write_package(name: str, kind: Kind, out: Path | None = None) -> Path:
    """Write a package completely or not at all.

    Args:
        name: the name of the distribution, the entry point and the offered spec; with ``_`` for ``-``, of the package.
        kind: the kind of spec that it offers.
        out: the folder to write; ``./NAME`` by default. It may exist if it is empty.

    Returns:
        the folder.

    Raises:
        TeachMattersError: the name is invalid or taken, or the folder is not empty or cannot be written.
    """
    check_name(name)
    folder = out or Path(name)
    _check_free(folder)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for path, text in package_files(name, kind).items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
        if folder.is_dir():
            folder.rmdir()
        draft.rename(folder)
    except OSError as error:
        raise TeachMattersError(f"cannot write {str(folder)!r}: {error.strerror or error}; give --out DIR") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def package_files(name: str, kind: Kind) -> dict[str, str]:
    """Return the content of each file of a package, by path.

    >>> sorted(package_files("my-vit", "model"))[:4]
    ['.gitignore', 'README.md', 'my_vit/__init__.py', 'my_vit/adapter.py']
    """
    purpose = PURPOSES[kind]
    facts = {
        "name": name,
        "module": module_of(name),
        "api": str(API_VERSION),
        "description": purpose.description,
        "dependencies": ", ".join(f'"{each}"' for each in sorted((*purpose.needs, "teachmatters"))),
    }
    templates = files("teachmatters.plugin") / "templates"
    return {
        _renamed(path, facts["module"]): Template(text).substitute(facts)
        for part in ("common", kind)
        for path, text in _read(templates / part, PurePosixPath())
    }


def _renamed(path: PurePosixPath, module: str) -> str:
    parts = [module if part == "package" else part for part in path.parts[:-1]]
    last = path.name.removesuffix(SUFFIX)
    return "/".join([*parts, ".gitignore" if last == "gitignore" else last])


def _read(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _read(entry, path / entry.name)
        elif entry.name.endswith(SUFFIX):
            yield path / entry.name, entry.read_text(encoding="utf-8")


def _check_free(folder: Path) -> None:
    try:
        taken = (folder.exists() or folder.is_symlink()) and not (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise TeachMattersError(f"cannot read {str(folder)!r}: {error.strerror or error}; give --out DIR") from error
    if taken:
        what = "holds something already" if folder.is_dir() else "exists and is not a folder"
        raise TeachMattersError(f"{str(folder)!r} {what}; nothing is overwritten: choose another name, or --out DIR")
