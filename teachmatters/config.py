"""The user's defaults: environment variables, and below them a TOML file in the user's configuration folder."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from teachmatters.errors import TeachMattersError, UnknownNameError, listing

VARIABLE = "TM_CONFIG"
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Key:
    """A default that a user may set.

    Attributes:
        variable: the environment variable, which wins over the file.
        summary: one line.
    """

    variable: str
    summary: str


KEYS = {
    "db": Key("TM_DB", "the results store, if --db is not given; 'bundled' names the shipped results"),
    "data_root": Key("TM_DATA", "the parent of the data sets' folders, if --data-root is not given"),
    "device": Key("TM_DEVICE", "auto, cpu, cuda or mps, if --device is not given"),
    "cache_limit": Key("TM_CACHE_LIMIT", "the size limit of the cache, such as 20GB"),
}


def config_path() -> Path:
    """Return the configuration file, which need not exist: TM_CONFIG, else ``config.toml`` in the user's folder."""
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or home)
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return folder / "teachmatters" / "config.toml"


def default(key: str) -> str | None:
    """Return a default: the environment variable, else the value in the file; None if neither is set.

    Raises:
        TeachMattersError: the file cannot be read, or is not a valid configuration.
    """
    return os.environ.get(KEYS[key].variable) or read().get(key)


def source(key: str) -> str:
    """Return where a default is set, for messages: the variable, the file, or an empty string."""
    if os.environ.get(KEYS[key].variable):
        return KEYS[key].variable
    return f"{key} in {config_path()}" if key in read() else ""


def read() -> dict[str, str]:
    """Return the content of the configuration file; empty if it does not exist.

    Raises:
        TeachMattersError: the file cannot be read, or is not a valid configuration.
    """
    path = config_path()
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise TeachMattersError(f"cannot read the configuration {path}: {error}; repair or delete it") from error
    return _parse(text, path)


def write(key: str, value: str | None) -> Path:
    """Set a default in the configuration file, or remove it (None); other lines and comments stay. Return the path.

    Raises:
        TeachMattersError: the key is unknown, or the file cannot be written.
    """
    _check(key, config_path())
    path = config_path()
    read()  # a broken file is reported, and not made worse
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if not re.match(rf"\s*{key}\s*=", line)]
    added = [] if value is None else [f"{key} = {json.dumps(value)}"]
    text = "".join(f"{line}\n" for line in kept + added)
    _parse(text, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TeachMattersError(f"cannot write the configuration {path}: {error.strerror or error}") from error
    return path


def _parse(text: str, path: Path) -> dict[str, str]:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TeachMattersError(f"the configuration {path} is not TOML: {error}; repair or delete it") from error
    for key, value in values.items():
        _check(key, path)
        if not isinstance(value, str):
            raise TeachMattersError(f'{key} in {path} must be a text in quotes, such as {key} = "..."')
    return values


def _check(key: str, path: Path) -> None:
    if key not in KEYS:
        raise UnknownNameError(f"key in {path}:", key, KEYS, f"The keys are {listing(KEYS)}.")
