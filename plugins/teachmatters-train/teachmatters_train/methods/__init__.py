"""Six kinds of supervision; each is a network with all that its loss needs around it."""

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
    """Refuse a name that no method has; imports none of them.

    Raises:
        UnknownNameError: there is none.

    >>> check("mae")
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS, f"The methods are {', '.join(METHODS)}.")


def find(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        UnknownNameError: there is none.
    """
    from teachmatters.registry import load_object

    check(name)
    method: type[Method] = load_object(METHODS[name])
    return method
