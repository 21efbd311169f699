"""Building a network from a config and weights. Every number in it comes from the file, or it is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers.utils import logging

from teachmatters.errors import TeachMattersError, listing
from teachmatters_hf.families import Family, tower_config

WHERE = f"transformers {transformers.__version__}"

# Entries of a config that name other people's code, or that would change how the network computes.
NOT_OURS = ("auto_map", "fusion_config", "attn_implementation", "_attn_implementation", "dtype", "torch_dtype")

# What transformers raises for a config that makes no network; running out of memory is not among them.
WRONG = (
    ArithmeticError, AttributeError, ImportError, LookupError, OSError, StrictDataclassError, TypeError, ValueError,
)  # fmt: skip

# A weight in front of the last block's output.
INSIDE = re.compile(r"(?:\w+\.)?(?:embeddings|encoder|layers?)\.")

# Weights of that kind that a tower does not have: another network's, or nothing that a whole image meets.
UNREAD = re.compile(r"(?:text_model|decoder)\.|.*(?:mask_token|position_ids|relative_position_index)$")


def build(family: Family, config: Mapping[str, Any], state: Mapping[str, Tensor], told: tuple[str, Path]) -> nn.Module:
    """The network in float32 and eval mode.

    Args:
        family: whose.
        config: the content of config.json.
        state: the weights, in any naming that transformers knows for this class.
        told: for messages, the model's name and where the weights lie.

    Raises:
        TeachMattersError: a config that makes no network, or weights that are not exactly this network's.
    """
    name, origin = told
    if "quantization_config" in config:
        raise TeachMattersError(f"{name} is quantised, and its weights are no plain numbers; choose its original")
    settings = {key: value for key, value in tower_config(config).items() if key not in NOT_OURS} | {**family.settings}
    tower = getattr(transformers, family.tower)
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            network, report = tower.from_pretrained(
                None,
                config=tower.config_class.from_dict(settings),
                state_dict=dict(state),
                attn_implementation="sdpa",  # what teachmatters reads attention from; the default may be another
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # they are refused below, all of them by name
                output_loading_info=True,
                **family.options,
            )
    except WRONG as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise TeachMattersError(
            f"{WHERE} cannot build a {family.tower} for {name} from its config.json ({line})"
        ) from None
    module: nn.Module = network.eval().requires_grad_(False)
    if family.offset:
        _resample_as_the_authors_do(module.embeddings)
    _check(report, f"{len(module.state_dict())} weights of a {family.tower}", origin)
    return module


def _resample_as_the_authors_do(embeddings: Any) -> None:
    """Make a DINOv2 resample its positions as its authors' code does: with the offset that their features come from."""
    from teachmatters.models.weights.positions import resample

    def interpolate(_: Tensor, height: int, width: int) -> Tensor:
        rows, columns = embeddings.patch_embeddings.patch_size
        grid = height // rows, width // columns
        return resample(embeddings.position_embeddings, grid, 1, authors=True)

    embeddings.interpolate_pos_encoding = interpolate


def _check(report: Mapping[str, Collection[Any]], wanted: str, origin: Path) -> None:
    """Refuse what transformers would fill with random numbers, and what it would leave out."""
    missing = sorted(report["missing_keys"])
    if missing:
        raise TeachMattersError(
            f"{origin} lacks {len(missing)} of the {wanted}: {listing(missing, 3)}; they would be random numbers. "
            "Give the weights of the whole network, or the config.json that belongs to them"
        )
    wrong = [f"{key} ({_shape(given)}, not {_shape(asked)})" for key, given, asked in sorted(report["mismatched_keys"])]
    if wrong:
        raise TeachMattersError(
            f"{origin} has weights of other shapes than config.json says: {listing(wrong, 3)}; give the "
            "config.json that belongs to them"
        )
    extra = sorted(key for key in report["unexpected_keys"] if INSIDE.match(key) and not UNREAD.match(key))
    if extra:
        raise TeachMattersError(
            f"{origin} holds more than the {wanted} that config.json says: {listing(extra, 3)}; give the "
            "config.json that belongs to them (of an adapter such as LoRA: merge it first)"
        )


def _shape(shape: Any) -> str:
    return " x ".join(map(str, shape))


@contextmanager
def _quiet() -> Iterator[None]:
    """Transformers' table of what did not fit stays out of our one line."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
