"""Which part of a data set is the gallery and which holds the queries, told by names."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from teachmatters.api import Role

DIVIDED: Mapping[Role, str] = {"all": "val", "queries": "val", "gallery": "train"}

WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def part_named(*names: str) -> str:
    """``train``, ``val`` or ``test`` if a word of the names says so, else nothing.

    >>> part_named("imagenet1k-train-0007"), part_named("", "validation_00"), part_named("trainer")
    ('train', 'val', '')
    """
    words = (word for name in names for word in re.split(r"[^a-z]+", name.lower()))
    return next((WORDS[word] for word in words if word in WORDS), "")


def roles_of(parts: Container[str]) -> Mapping[Role, str]:
    """Gallery and queries where there are two parts for them, else all of one; nothing is the part without a name.

    >>> roles_of({"train", "val", ""})["queries"], roles_of({"train", "test"})["queries"]
    ('val', 'test')
    >>> roles_of({"train"}), roles_of({"train", ""})
    ({'all': 'train'}, {'all': ''})
    """
    held = next((part for part in ("val", "test") if part in parts), "")
    if "train" in parts and held:
        return {"all": held, "queries": held, "gallery": "train"}
    return {"all": next((part for part in ("", "train", "val", "test") if part in parts), "")}


def class_order(names: Iterable[str]) -> list[str]:
    """Names of classes in order: of numbers every one from 0 to the largest, so that a number is its own place.

    >>> class_order(["dog", "cat"]), class_order(["2", "0"])
    (['cat', 'dog'], ['0', '1', '2'])
    """
    names = sorted(names)
    if not all(name.isdecimal() for name in names):
        return names
    return [str(number) for number in range(max(map(int, names), default=-1) + 1)]
