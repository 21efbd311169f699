"""Build a network from a config and weights; reject files that lack any of its numbers."""

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

# Entries of a config that name other code or change how the network computes.
NOT_OURS = ("auto_map", "fusion_config", "attn_implementation", "_attn_implementation", "dtype", "torch_dtype")

# Errors of transformers for an invalid config; running out of memory is not one of them.
WRONG = (
    ArithmeticError, AttributeError, ImportError, LookupError, OSError, StrictDataclassError, TypeError, ValueError,
)  # fmt: skip

# Weights that affect the output of the last block.
INSIDE = re.compile(r"(?:\w+\.)?(?:embeddings|encoder|layers?)\.")

# The last norm of BEiT and data2vec, before or after pooling.
LAST_NORM = re.compile(r"(?:\w+\.)?layernorm\.weight")
POOLED_NORM = re.compile(r"(?:\w+\.)?pooler\.layernorm\.weight")

# Exceptions that a tower may lack: weights of another network, or unused for a whole image.
UNREAD = re.compile(r"(?:text_model|decoder)\.|.*(?:mask_token|position_ids|relative_position_index)$")


def build(family: Family, config: Mapping[str, Any], state: Mapping[str, Tensor], told: tuple[str, Path]) -> nn.Module:
    """Build the network in float32 and eval mode.

    Args:
        family: the family of the network.
        config: the content of config.json.
        state: the weights, in any naming that transformers knows for this class.
        told: the model's name and the path of the weights, for messages.

    Raises:
        TeachMattersError: the config is invalid, or the weights are not exactly those of the network.
    """
    name, origin = told
    if "quantization_config" in config:
        raise TeachMattersError(f"{name} is quantised, so its weights are not plain numbers; choose the original")
    settings = {key: value for key, value in tower_config(config).items() if key not in NOT_OURS} | {**family.settings}
    options = dict(family.options)
    if family.pools_norm:  # keep the last norm where the weights have it
        settings["use_mean_pooling"] = not any(LAST_NORM.fullmatch(key) for key in state)
        options["add_pooling_layer"] = any(POOLED_NORM.fullmatch(key) for key in state)
    tower = getattr(transformers, family.tower)
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            network, report = tower.from_pretrained(
                None,
                config=tower.config_class.from_dict(settings),
                state_dict=dict(state),
                attn_implementation="sdpa",  # the call that teachmatters captures; not always the default
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # rejected below, with all names
                output_loading_info=True,
                **options,
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
    """Make a DINOv2 resample its positions with the offset of its authors' code, which their features depend on."""
    from teachmatters.models.weights.positions import resample

    def interpolate(_: Tensor, height: int, width: int) -> Tensor:
        rows, columns = embeddings.patch_embeddings.patch_size
        grid = height // rows, width // columns
        return resample(embeddings.position_embeddings, grid, 1, authors=True)

    embeddings.interpolate_pos_encoding = interpolate


def _check(report: Mapping[str, Collection[Any]], wanted: str, origin: Path) -> None:
    """Reject weights that transformers would fill with random numbers or drop."""
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
            f"{origin} holds more than the {wanted} in config.json: {listing(extra, 3)}; give the "
            "config.json that belongs to them (of an adapter such as LoRA: merge it first)"
        )


def _shape(shape: Any) -> str:
    return " x ".join(map(str, shape))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' table of mismatched weights and its progress bar."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
