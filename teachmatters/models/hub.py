"""Finding published weights: the caches first, then the network, and one sentence when there is none."""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path

from teachmatters.errors import TeachMattersError

FILES = ("model.safetensors", "pytorch_model.bin")
"""What a repository's weights are called, best first."""

TIMEOUT = 5.0
"""Seconds to wait for an answer: whoever has no network should learn it at once."""


def repository_file(repository: str, name: str) -> Path:
    """The weights of a Hugging Face repository, from the cache or downloaded into it.

    Args:
        repository: ``timm/vit_small_patch16_224.dino``.
        name: the model's name, for messages.

    Raises:
        TeachMattersError: neither cached nor reachable; names three ways out.
    """
    return _cached(repository) or _downloaded(repository, name)


def _cached(repository: str) -> Path | None:
    import huggingface_hub

    for file in FILES:
        found = huggingface_hub.try_to_load_from_cache(repository, file)
        if isinstance(found, str):
            return Path(found)
    return None


def _downloaded(repository: str, name: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    with _quiet():
        for file in FILES:
            try:
                # asked once and first: the download itself would retry for half a minute without a network
                huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(repository, file), timeout=TIMEOUT)
                return Path(huggingface_hub.hf_hub_download(repository, file, etag_timeout=TIMEOUT))
            except EntryNotFoundError:
                continue
            except Exception as error:  # noqa: BLE001  what the transport raises differs between its releases
                cache = "HF_HOME to a filled Hugging Face cache"
                raise _no_weights(name, f"huggingface.co/{repository}", cache, error) from None
    raise TeachMattersError(
        f"huggingface.co/{repository} has no {' or '.join(FILES)} for {name}; give --weights FILE, or another model"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings of the hub's client stay out of our one line; its progress bar, on standard error, is welcome."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def official_file(address: str, name: str) -> Path:
    """A file that its authors publish, from torch.hub's cache or downloaded into it.

    Raises:
        TeachMattersError: neither cached nor reachable; names three ways out.
    """
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from torch.hub import get_dir

    target = Path(get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if target.is_file():
        return target
    try:
        if HF_HUB_OFFLINE:
            raise ConnectionError("HF_HUB_OFFLINE is set")
        _download(address, target)
    except (OSError, http.client.HTTPException) as error:
        cache = f"TORCH_HOME to a folder whose hub/checkpoints holds {target.name}"
        raise _no_weights(name, address, cache, error) from None
    return target


def _download(address: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    try:
        # the address comes from our own table, never from a user
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310
            shutil.copyfileobj(answer, out)
        Path(partial).replace(target)  # whoever finds the file finds all of it
    finally:
        Path(partial).unlink(missing_ok=True)


def _no_weights(name: str, place: str, cache: str, error: Exception) -> TeachMattersError:
    why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return TeachMattersError(
        f"no weights for {name}: they are in no cache, and {place} cannot be reached ({why}). Give --weights FILE, set "
        f"{cache}, or use an untrained model such as random-b16"
    )
