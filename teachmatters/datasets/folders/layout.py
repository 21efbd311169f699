"""Splits, classes and ignored files: one rule for folders, tar files and tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from teachmatters.api import Role
from teachmatters.errors import TeachMattersError, listing

WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

# Folders and files that operating systems and network drives add.
SYSTEM = frozenset(
    {"@eadir", "#recycle", "@recycle", "$recycle.bin", "recycler", "#snapshot", "@recently-snapshot", "__macosx"}
    | {"system volume information", "lost+found", "thumbs.db", "desktop.ini"}
)


def is_left_out(name: str) -> bool:
    """Return whether a file or folder is ignored: hidden, or added by an operating system.

    >>> [is_left_out(name) for name in (".git", "@eaDir", "#recycle", "__MACOSX", "Thumbs.db", "cats")]
    [True, True, True, True, True, False]
    """
    return name.startswith(".") or name.lower() in SYSTEM


def part_named(*names: str) -> str:
    """Return ``train``, ``val`` or ``test`` if a word of the names means one of them, else an empty text.

    >>> part_named("imagenet1k-train-0007"), part_named("", "validation_00"), part_named("trainer")
    ('train', 'val', '')
    """
    words = (word for name in names for word in re.split(r"[^a-z]+", name.lower()))
    return next((WORDS[word] for word in words if word in WORDS), "")


def roles_of(parts: Collection[str]) -> Mapping[Role, str]:
    """Return the part of each role; "" is the part without a name.

    Train is the gallery; val, else test, holds the queries. Without such a pair there is one part.

    >>> roles_of({"train", "val", ""})["queries"], roles_of({"train", "test"})["queries"]
    ('val', 'test')
    >>> roles_of({"train"}), roles_of({"train", ""})
    ({'all': 'train'}, {'all': ''})
    """
    held = next((part for part in ("val", "test") if part in parts), "")
    if "train" in parts and held:
        return {"all": held, "queries": held, "gallery": "train"}
    return {"all": next((part for part in ("", "train", "val", "test") if part in parts), "")}


class Tree(Protocol):
    """The images below a folder, in any storage; paths are relative, "" is the folder itself."""

    def folders(self, at: str) -> Sequence[str]:
        """Return the names of the folders directly in ``at`` that hold images at any depth, sorted."""

    def has_own(self, at: str) -> bool:
        """Return whether images are directly in ``at``."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The splits and classes of a tree.

    Attributes:
        parts: the part of each role: ``train``, ``val`` or ``test``, or "" for the whole tree.
        folders: the folder of each part that a role reads.
        unused: folders with images that no role reads.
        classes: the class folders in ``folders``, sorted; empty if images are directly in one of ``folders``.
    """

    parts: Mapping[Role, str]
    folders: Mapping[str, str]
    unused: tuple[str, ...]
    classes: tuple[str, ...]


def split_folders(tree: Tree) -> dict[str, str]:
    """Return the folders that are splits, each with its part.

    A folder named like a split (any case) is a split, unless images are directly in the root, or images are directly in
    such a folder and there are other folders: then it is a class.

    Raises:
        TeachMattersError: two folders are the same part.
    """
    if tree.has_own(""):
        return {}
    found = tree.folders("")
    named = {name: WORDS[name.lower()] for name in found if name.lower() in WORDS}
    if len(named) < len(found) and any(tree.has_own(name) for name in named):
        return {}
    for part, count in Counter(named.values()).items():
        if count > 1:
            same = listing(f"{name}/" for name in named if named[name] == part)
            raise TeachMattersError(f"the folders {same} are all called {part}; rename or remove all but one of them")
    return named


def layout_of(tree: Tree) -> Layout:
    """Divide a tree into splits and classes.

    Raises:
        TeachMattersError: two folders are the same part.
    """
    splits = split_folders(tree)
    rest = [] if not splits else [name for name in tree.folders("") if name not in splits]
    parts = roles_of({*splits.values(), *([""] if rest or not splits else [])})
    used = set(parts.values())
    folders = {"": ""} if used == {""} else {part: name for name, part in splits.items() if part in used}
    unused = [] if "" in folders else [*rest, *(name for name in splits if name not in folders.values())]
    flat = any(tree.has_own(folder) for folder in folders.values())
    inside = {name for folder in folders.values() for name in tree.folders(folder)}
    return Layout(parts, folders, tuple(unused), () if flat else tuple(sorted(inside)))


def class_order(names: Iterable[str]) -> list[str]:
    """Return class names in order; if all are numbers, return every number from 0 to the largest as the index.

    >>> class_order(["dog", "cat"]), class_order(["2", "0"])
    (['cat', 'dog'], ['0', '1', '2'])
    """
    names = sorted(names)
    if not all(name.isdecimal() for name in names):
        return names
    return [str(number) for number in range(max(map(int, names), default=-1) + 1)]


# --- remarks


def unused_remarks(unused: Sequence[str], parts: Mapping[Role, str]) -> list[str]:
    """Return a sentence about the folders or splits that no role reads.

    >>> unused_remarks(["test"], {"all": "val", "queries": "val", "gallery": "train"})
    ['not looked at: test; train and val are used']
    """
    used = " and ".join(sorted(set(parts.values())))
    return [f"not looked at: {listing(unused)}; {used} {'are' if ' ' in used else 'is'} used"] if unused else []


def class_remarks(classes: Sequence[str], inside: Sequence[str] = ()) -> list[str]:
    """Return a sentence about classes that are likely a mistake.

    Args:
        classes: their names.
        inside: the folders in the only class.

    >>> class_remarks(["images"], ["cat", "dog"])
    ['1 class: images; if the folders in it (cat, dog) are meant, name images itself as the data set']
    >>> class_remarks(["cat", "train", "val"])
    ['classes: cat, train, val, of which train, val are named like splits']
    """
    if len(classes) == 1:
        more = f"; if the folders in it ({listing(inside, 3)}) are meant, name {classes[0]} itself as the data set"
        return [f"1 class: {classes[0]}{more if inside else ''}"]
    named = [name for name in classes if name.lower() in WORDS]
    return [f"classes: {listing(classes)}, of which {listing(named)} are named like splits"] if named else []


def file_remarks(passed: Mapping[str, int]) -> list[str]:
    """Return sentences about files and folders that were not read.

    Args:
        passed: counts by suffix; names of folders end with a slash.

    >>> file_remarks({".txt": 2, "@eaDir/": 1, "": 1})
    ['files not read: 2 .txt, 1 without a suffix', 'folders left out: 1 @eaDir']
    """
    files = {name or "without a suffix": count for name, count in passed.items() if not name.endswith("/")}
    folders = {name.rstrip("/"): count for name, count in passed.items() if name.endswith("/")}
    told = (("files not read", files), ("folders left out", folders))
    return [f"{what}: {listing(_counted(these))}" for what, these in told if these]


def _counted(these: Mapping[str, int]) -> list[str]:
    most_first = sorted(these.items(), key=lambda each: (-each[1], each[0]))
    return [f"{count:,} {name}" for name, count in most_first]
