"""The supervision of timm's published weights, by their tags."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

# Patterns of ``<architecture>.<tag>``. Left out: weights whose training had stages of two kinds (masked or contrastive
# first, then labels), which have no single word, and those of which it is not known here.
TRAINED: Mapping[str, tuple[str, ...]] = {
    "labels": (
        "*.augreg*",
        "*.orig_in21k",
        "*.orig_in21k_ft_in1k",
        "*_miil.in21k*",
        "*.sam_in1k",
        "*.bamboo",
        "*.sbb_*",
        "*.sbb2_*",
        "*.sw_*",
        "*.naver_in1k",
        "*.r160_in1k",
        "*.e300_s576_in1k",
        "deit*.fb_in1k",
        "deit*.fb_in22k_ft_in1k",
    ),
    "image-text contrast": (
        "*.openai",
        "*.laion2b",
        "*.laion2b_plus",
        "*.laion400m",
        "*.laion400m_e32",
        "*.datacompxl",
        "*.datacomp1b_clip*",
        "*.dfn2b",
        "*.dfn2b_s39b",
        "*.dfn5b",
        "*.metaclip_*",
        "*.metaclip2_*",
        "*.merged2b",
        "*.apple_mclip*",
        "*.webli",
        "*.webli_i18n",
        "*.v2_webli",
        "vit_pe_core_*.fb",
        "vit_pe_spatial_*.fb",
    ),
    "self-distillation": ("*.dino", "*.lvd142m", "*.lvd1689m", "*.sat493m"),
    "masked reconstruction": ("*.mae",),
    # EVA-02 predicts the features of CLIP at masked patches.
    "masked token prediction": ("eva02_*.mim_in22k", "eva02_*.mim_m38m"),
    "latent prediction": ("*.in1k_ijepa", "*.in22k_ijepa"),
    "autoregression": ("aimv2_*.apple_pt",),
    "multi-teacher distillation": ("*.c_radio",),
}


def supervision_of(timm_id: str) -> str:
    """Return the supervision of published weights, or an empty text for other tags.

    Args:
        timm_id: ``<architecture>.<tag>``.

    >>> supervision_of("vit_base_patch16_224.mae"), supervision_of("vit_base_patch14_reg4_dinov2.lvd142m")
    ('masked reconstruction', 'self-distillation')
    >>> supervision_of("vit_base_patch16_clip_224.laion2b_ft_in1k")
    ''
    """
    told = (word for word, patterns in TRAINED.items() if any(fnmatchcase(timm_id, one) for one in patterns))
    return next(told, "")
