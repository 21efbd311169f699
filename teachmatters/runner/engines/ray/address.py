"""Checks that Ray answers at an address and admits this machine."""

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
# Ray's servers speak HTTP/2: a client sends this preface, and the server answers with a frame of type SETTINGS.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4

START = "start Ray there ('ray start --head'), or leave --address out to run on this machine alone"
MODE = "RAY_AUTH_MODE"


def found(address: str) -> str:
    """Return HOST:PORT of a Ray that answers.

    Raises:
        TeachMattersError: the address is malformed, or no Ray answers there.
    """
    where = _running() if address == "auto" else address
    host, _, port = where.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or "/" in host:
        raise TeachMattersError(f"--address {address!r}: it must be auto or HOST:PORT, such as 10.0.0.5:6379")
    try:
        answers = _speaks_http2(host, int(port))
    except (OSError, OverflowError) as error:
        raise TeachMattersError(f"--address {address}: no Ray answers at {where} ({_why(error)}); {START}") from error
    if not answers:
        raise TeachMattersError(f"--address {address}: the server at {where} is not Ray; {START}")
    return where


def _running() -> str:
    """Return the address of the Ray that runs on this machine."""
    from ray._private import services

    try:
        return str(services.get_ray_address_from_environment("auto", None))
    except ConnectionError as error:
        raise TeachMattersError(f"--address auto: no Ray runs on this machine; {START}") from error


def _speaks_http2(host: str, port: int) -> bool:
    with socket.create_connection((host, port), PATIENCE) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(_PREFACE)
        answer = connection.recv(9)
    return len(answer) >= 4 and answer[3] == _SETTINGS


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextmanager
def admitted(address: str, where: str) -> Iterator[None]:
    """Send this machine's token to a cluster that requires one.

    Ray itself sends the token only if RAY_AUTH_MODE is set.

    Raises:
        TeachMattersError: the cluster requires a token and this machine has none or a different one, or the address
            is not the head of a cluster.
    """
    mode, token = os.environ.get(MODE), _raylet().AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    # Ray ends a process that has to send a token and has none.
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
        advice = f"{MODE}={mode} sends none; unset it"
    raise TeachMattersError(f"--address {address}: the Ray at {where} requires a token, and {advice}")


def _lets_in(address: str, where: str) -> bool:
    from ray.exceptions import AuthenticationError, RayError

    try:
        with _silence():
            _raylet().GcsClient(address=where)
    except AuthenticationError:
        return False
    except RayError as error:
        raise TeachMattersError(
            f"--address {address}: the server at {where} is not the head of a Ray cluster; its port is 6379 unless "
            "'ray start --head' was given another"
        ) from error
    return True


@contextmanager
def _mode(name: str) -> Iterator[None]:
    os.environ[MODE] = name  # Ray reads it on import and on Config.initialize
    _raylet().Config.initialize("")
    try:
        yield
    finally:
        del os.environ[MODE]
        _raylet().Config.initialize("")


def _raylet() -> Any:
    # Ray offers no public way to try a token.
    return importlib.import_module("ray._raylet")


@contextmanager
def _silence() -> Iterator[None]:
    """Discard what Ray's C++ code writes to stderr; a one-line error follows."""
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
