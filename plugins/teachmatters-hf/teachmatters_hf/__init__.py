"""Register the prefix ``hf/``; every ``tm --help`` imports this module, so it imports nothing heavy."""

from __future__ import annotations

from teachmatters import hookimpl
from teachmatters.api import ModelSpec

TEACHMATTERS_API = 2

HF = ModelSpec(
    name="hf/",
    family="hf",
    supervision="",
    summary="a vision transformer of transformers: an id of the Hugging Face hub, or a folder, such as "
    "hf/facebook/dinov2-base",
    resolve="teachmatters_hf.model:resolve",
    arch="as its config.json says",
    licence="as its model card says",
    source="huggingface.co or a folder",
    citation="Wolf et al., Transformers: State-of-the-Art Natural Language Processing, EMNLP 2020",
)


@hookimpl
def register_models() -> list[ModelSpec]:
    """Return the spec of the prefix ``hf/``."""
    return [HF]
