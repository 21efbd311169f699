"""Find published weights: search the caches, then download; report a failure in one sentence."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path

from teachmatters.errors import TeachMattersError
from teachmatters.models.fetch.download import TIMEOUT, DownloadError, Progress, check_unchanged, download
from teachmatters.models.recipes import shown

# File names of weights in a repository, best first.
FILES = ("model.safetensors", "pytorch_model.bin")

LOG = logging.getLogger(__name__)


def find(places: Sequence[str], name: str) -> tuple[Path, str]:
    """Return the weights of a model, from a cache or else from the first place that has them.

    Args:
        places: best first: Hugging Face repositories (``timm/<id>``) and https addresses.
        name: the model's name, for messages.

    Returns:
        the file and its sha256 in hex.

    Raises:
        TeachMattersError: the weights are in no cache and every place failed (the message gives each reason and three
            ways out), or the file has changed since it was fetched.
    """
    from teachmatters.models.files import checkpoints

    place, path = _cached_at_one_of(places) or _fetched_from_one_of(places, name)
    digest = checkpoints.identify(path)
    if "://" in place:
        check_unchanged(path, digest)
    else:
        _check_blob(path, digest)
    return path, digest


def cached(place: str) -> Path | None:
    """Return the cached weights of one place, or None; uses no network and imports nothing heavy."""
    if "://" in place:
        target = cache_file(place)
        return target if target.is_file() else None
    # The layout that Hugging Face documents. Its own function would import an HTTP client, which takes longer than the
    # rest of ``tm models``.
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE, f"models--{place.replace('/', '--')}")
    try:
        snapshot = repository / "snapshots" / (repository / "refs" / "main").read_text(encoding="utf-8")
    except OSError:
        return None
    return next((path for file in FILES if (path := snapshot / file).is_file()), None)


def cache_file(address: str) -> Path:
    """Return the path of a file in PyTorch's cache: torch.hub.get_dir() without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("TORCH_HOME") or Path(cache, "torch")).expanduser()
    return home / "hub" / "checkpoints" / address.rpartition("/")[2]


def _cached_at_one_of(places: Sequence[str]) -> tuple[str, Path] | None:
    return next(((place, path) for place in places if (path := cached(place)) is not None), None)


def _fetched_from_one_of(places: Sequence[str], name: str) -> tuple[str, Path]:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    failures: list[str] = []
    for place, following in zip(places, (*places[1:], ""), strict=True):
        try:
            return place, _from_address(place, name) if "://" in place else _from_repository(place)
        except DownloadError as error:
            failures.append(f"{shown(place)} ({error})")
            if following and not HF_HUB_OFFLINE:
                LOG.warning("%s: %s fails; trying %s", name, failures[-1], shown(following))
    homes = {"TORCH_HOME" if "://" in place else "HF_HOME" for place in places}
    raise TeachMattersError(
        f"no weights for {name}: they are not cached, and cannot be downloaded from {' or '.join(failures)}. Give "
        f"--weights FILE, set {' or '.join(sorted(homes))} to a filled cache, or use an untrained model, such as "
        "random-b16"
    )


def _from_repository(repository: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    with _quiet():
        for file in FILES:
            try:
                # One request first: without a network, the download itself would retry for half a minute.
                huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(repository, file), timeout=TIMEOUT)
                return Path(huggingface_hub.hf_hub_download(repository, file, etag_timeout=TIMEOUT))
            except EntryNotFoundError:
                continue
            except Exception as error:  # noqa: BLE001  what the transport raises differs between its releases
                raise DownloadError(_line(error)) from None
    raise DownloadError(f"it has no {' or '.join(FILES)}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of the hub's client, but not its progress bar on standard error."""
    from huggingface_hub.utils import logging as hub_logging

    before = hub_logging.get_verbosity()
    hub_logging.set_verbosity(CRITICAL)
    try:
        yield
    finally:
        hub_logging.set_verbosity(before)


def _from_address(address: str, name: str) -> Path:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise DownloadError("HF_HUB_OFFLINE is set")
    target = cache_file(address)
    try:
        with _bar(name) as progress:
            download(address, target, progress)
    except OSError as error:
        raise TeachMattersError(
            f"cannot write {target} ({error.strerror or error}); make it writable, or set TORCH_HOME"
        ) from None
    return target


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    """Show the progress bar of the hub's own downloads, on standard error if that is a terminal."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]  # documented, not in __all__

    with tqdm(desc=name, unit="B", unit_scale=True, disable=None) as bar:  # type: ignore[no-untyped-call]

        def progress(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield progress


def _check_blob(path: Path, digest: str) -> None:
    """Compare a file with its name in the hub's cache, which is the sha256 of a large file."""
    blob = path.resolve().name
    if re.fullmatch("[0-9a-f]{64}", blob) and blob != digest:
        raise TeachMattersError(
            f"{path} is not the file that was fetched (its sha256 is {digest[:12]}..., not {blob[:12]}...): delete "
            f"{path.resolve()}, and fetch it again with 'tm fetch'"
        )


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
