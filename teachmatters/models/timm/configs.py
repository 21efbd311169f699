"""Read timm's record of the weights that it publishes for a vision transformer."""

from __future__ import annotations

from typing import Any

from teachmatters.errors import TeachMattersError

MODULES = {"beit", "deit", "eva"}  # modules of timm with plain vision transformers under another name


def vit_config(given: str) -> Any:
    """Return timm's PretrainedCfg of an id that timm knows.

    Raises:
        TeachMattersError: the id is not a plain vision transformer.
    """
    from timm.models import get_pretrained_cfg

    from teachmatters.models.timm.lean_timm import timm

    module = timm.model_entrypoint(given).__module__.rpartition(".")[2]
    if module == "vision_transformer_sam":
        raise TeachMattersError(
            f"timm/{given} is not a plain vision transformer: most of its blocks attend within windows only"
        )
    if not (module in MODULES or "vit" in module or "vision_transformer" in module):
        raise TeachMattersError(
            f"timm/{given} is not a vision transformer (timm keeps it in {module!r}); choose one, such as "
            "timm/vit_base_patch16_224.dino"
        )
    return get_pretrained_cfg(given)
