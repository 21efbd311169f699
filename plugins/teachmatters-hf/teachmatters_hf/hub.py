"""Get a model's files from the Hugging Face hub: from the cache, or else by download."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path

from teachmatters.errors import TeachMattersError
from teachmatters_hf.images import PROCESSORS
from teachmatters_hf.places import CONFIG, near, weights_in

# Seconds to wait for an answer; short, so that a missing network is reported at once.
TIMEOUT = 5.0

SAFE = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
OLD = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin")


def fetch(repository: str, *, weights: bool) -> Path:
    """Return the folder of a repository in the hub's cache; download missing files.

    Args:
        repository: ``facebook/dinov2-base``.
        weights: also get the weights, not only the two configs.

    Raises:
        TeachMattersError: the files are not in the cache and cannot be downloaded; the message says why.
    """
    here = cached(repository)
    usable = here is not None and _complete(here, weights=weights)
    if here is not None and usable and any((here / name).is_file() for name in PROCESSORS):
        return here
    try:
        with _quiet():
            return _download(repository, weights=weights)
    except Exception as error:  # noqa: BLE001  what the transport raises differs between its releases
        if here is not None and usable:  # it may have no image processor at all
            return here
        line = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise TeachMattersError(
            f"hf/{repository}: there is no such folder, it is not in the hub's cache, and it cannot be downloaded from "
            f"huggingface.co/{repository} ({line}). {near(repository)}Check the id, set HF_HOME to a filled cache, or "
            "save the model with save_pretrained and name that folder, hf/<folder>"
        ) from None


def cached(repository: str) -> Path | None:
    """Return the folder of a repository in the cache, or None; uses no network."""
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(repository, CONFIG)
    return Path(found).parent if isinstance(found, str) else None


def _complete(folder: Path, *, weights: bool) -> bool:
    try:
        return not weights or bool(weights_in(folder))
    except TeachMattersError:
        return False


def _download(repository: str, *, weights: bool) -> Path:
    import huggingface_hub

    # One request first: without a network, the download itself would retry for half a minute.
    huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(repository, CONFIG), timeout=TIMEOUT)

    def snapshot(names: Sequence[str]) -> Path:
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=list(names), etag_timeout=TIMEOUT))

    folder = snapshot([CONFIG, *PROCESSORS, *(SAFE if weights else ())])
    if weights and not _complete(folder, weights=True):
        folder = snapshot(OLD)
    return folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of the hub's client, but not its progress bar on standard error."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)
