"""Is there a Ray at an address, and does it let this machine in?"""

from __future__ import annotations

import importlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from teachmatters.errors import TeachMattersError

PATIENCE = 5.0  # seconds for a server to answer; Ray by itself takes two minutes
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4
"""What a client of HTTP/2, on which Ray's servers speak, says first, and the kind of frame that it is answered with."""

START = "start Ray there ('ray start --head'), or leave --address out to run on this machine alone"
MODE = "RAY_AUTH_MODE"


def found(address: str) -> str:
    """HOST:PORT of a Ray that answers.

    Raises:
        TeachMattersError: it is no address, or nobody answers there.
    """
    where = _running() if address == "auto" else address
    host, _, port = where.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or "/" in host:
        raise TeachMattersError(f"--address {address!r}: it must be auto or HOST:PORT, such as 10.0.0.5:6379")
    try:
        answers = _answers(host, int(port))
    except (OSError, OverflowError) as error:
        raise TeachMattersError(f"--address {address}: nobody answers at {where} ({_why(error)}); {START}") from error
    if not answers:
        raise TeachMattersError(f"--address {address}: what answers at {where} is no Ray; {START}")
    return where


def _running() -> str:
    """The address of the Ray that runs on this machine."""
    from ray._private import services

    try:
        return str(services.get_ray_address_from_environment("auto", None))
    except ConnectionError as error:
        raise TeachMattersError(f"--address auto: no Ray runs on this machine; {START}") from error


def _answers(host: str, port: int) -> bool:
    """Whether it is a server of HTTP/2."""
    with socket.create_connection((host, port), PATIENCE) as line:
        line.settimeout(PATIENCE)
        line.sendall(_GREETING)
        answer = line.recv(9)
    return len(answer) >= 4 and answer[3] == _SETTINGS


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextmanager
def admitted(address: str, where: str) -> Iterator[None]:
    """Show the cluster this machine's token if it asks for one, as one that Ray itself has guarded does.

    By itself Ray shows it only where RAY_AUTH_MODE is set.

    Raises:
        TeachMattersError: it asks, and the token is not there or another; or it is no head of a cluster.
    """
    mode, token = os.environ.get(MODE), _raylet().AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    # Ray ends the process that is to show a token and has none.
    if (token or mode != "token") and _lets_in(address, where):
        yield
        return
    if token and mode is None:
        with _mode("token"):
            if _lets_in(address, where):
                yield
                return
    advice = "this machine has none or another; copy ~/.ray/auth_token from there, or set RAY_AUTH_TOKEN"
    if mode not in (None, "token"):
        advice = f"{MODE}={mode} shows none; leave that unset"
    raise TeachMattersError(f"--address {address}: the Ray at {where} asks for a token, and {advice}")


def _lets_in(address: str, where: str) -> bool:
    from ray.exceptions import AuthenticationError, RayError

    try:
        with _silence():
            _raylet().GcsClient(address=where)
    except AuthenticationError:
        return False
    except RayError as error:
        raise TeachMattersError(
            f"--address {address}: what answers at {where} is not the head of a Ray; its port is 6379 unless "
            "'ray start --head' was given another"
        ) from error
    return True


@contextmanager
def _mode(name: str) -> Iterator[None]:
    """Ray reads the variable when it is imported, and when it is told to."""
    os.environ[MODE] = name
    _raylet().Config.initialize("")
    try:
        yield
    finally:
        del os.environ[MODE]
        _raylet().Config.initialize("")


def _raylet() -> Any:
    """What Ray has no public name for."""
    return importlib.import_module("ray._raylet")


@contextmanager
def _silence() -> Iterator[None]:
    """What Ray's C++ prints of a refusal is no line for people."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
