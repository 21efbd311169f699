"""Six kinds of supervision, each a module that adds its heads and loss to the backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.errors import UnknownNameError

if TYPE_CHECKING:
    from teachmatters_train.method import Method

METHODS = {
    "supervised": "teachmatters_train.methods.supervised:Supervised",
    "clip": "teachmatters_train.methods.clip:Clip",
    "dino": "teachmatters_train.methods.dino:Dino",
    "moco": "teachmatters_train.methods.moco:Moco",
    "mae": "teachmatters_train.methods.mae:Mae",
    "beit": "teachmatters_train.methods.beit:Beit",
}


def check(name: str) -> None:
    """Check the name of a method, without importing it.

    Raises:
        UnknownNameError: no method has this name.

    >>> check("mae")
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS, f"The methods are {', '.join(METHODS)}.")


def find(name: str) -> type[Method]:
    """Return the method with this name.

    Raises:
        UnknownNameError: no method has this name.
    """
    from teachmatters.registry import load_object

    check(name)
    method: type[Method] = load_object(METHODS[name])
    return method
