"""The families of named models that timm publishes, one line a model: the member's name and timm's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmFamily:
    """The common properties of a family's members.

    Attributes:
        name: ``dinov2``; alone it means its B, or its smallest model without a B.
        title: start of each member's summary.
        supervision: the supervision of its members.
        licence: the licence of the weights, as timm writes it.
        citation: the citation of the weights.
        members: timm's ids, by the part of the model's name after the family.
        pixels: side of the images, if the ids do not contain it.
        heads: unusual numbers of blocks and heads, by timm's word for a size.
    """

    name: str
    title: str
    supervision: str
    licence: str
    citation: str
    members: Mapping[str, str]
    pixels: int = 224
    heads: Mapping[str, tuple[int, int]] = field(default_factory=dict)


FAMILIES = (
    TimmFamily(
        name="dinov2",
        title="DINOv2",
        supervision="self-distillation",
        licence="apache-2.0",
        citation="Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024; with "
        "registers: Darcet et al., Vision Transformers Need Registers, ICLR 2024",
        members={
            "s14": "vit_small_patch14_dinov2.lvd142m",
            "b14": "vit_base_patch14_dinov2.lvd142m",
            "l14": "vit_large_patch14_dinov2.lvd142m",
            "g14": "vit_giant_patch14_dinov2.lvd142m",
            "s14-reg": "vit_small_patch14_reg4_dinov2.lvd142m",
            "b14-reg": "vit_base_patch14_reg4_dinov2.lvd142m",
            "l14-reg": "vit_large_patch14_reg4_dinov2.lvd142m",
            "g14-reg": "vit_giant_patch14_reg4_dinov2.lvd142m",
        },
    ),
    TimmFamily(
        name="dinov3",
        title="DINOv3",
        supervision="self-distillation",
        licence="dinov3-license",
        citation="Simeoni et al., DINOv3, arXiv:2508.10104, 2025",
        pixels=256,
        members={
            "s16": "vit_small_patch16_dinov3.lvd1689m",
            "s16plus": "vit_small_plus_patch16_dinov3.lvd1689m",
            "b16": "vit_base_patch16_dinov3.lvd1689m",
            "l16": "vit_large_patch16_dinov3.lvd1689m",
            "h16plus": "vit_huge_plus_patch16_dinov3.lvd1689m",
            "7b16": "vit_7b_patch16_dinov3.lvd1689m",
            "l16-sat": "vit_large_patch16_dinov3.sat493m",
            "7b16-sat": "vit_7b_patch16_dinov3.sat493m",
        },
    ),
    TimmFamily(
        name="siglip",
        title="SigLIP",
        supervision="image-text contrast",
        licence="apache-2.0",
        citation="Zhai et al., Sigmoid Loss for Language Image Pre-Training, ICCV 2023",
        members={
            "b16": "vit_base_patch16_siglip_224.webli",
            "l16-256": "vit_large_patch16_siglip_256.webli",
            "so400m14": "vit_so400m_patch14_siglip_224.webli",
        },
    ),
    TimmFamily(
        name="siglip2",
        title="SigLIP 2",
        supervision="image-text contrast",
        licence="apache-2.0",
        citation="Tschannen et al., SigLIP 2: Multilingual Vision-Language Encoders with Improved Semantic "
        "Understanding, Localization, and Dense Features, arXiv:2502.14786, 2025",
        members={
            "b16": "vit_base_patch16_siglip_224.v2_webli",
            "b32-256": "vit_base_patch32_siglip_256.v2_webli",
            "l16-256": "vit_large_patch16_siglip_256.v2_webli",
            "so400m14": "vit_so400m_patch14_siglip_224.v2_webli",
        },
    ),
    TimmFamily(
        name="openclip",
        title="OpenCLIP (DataComp-1B)",
        supervision="image-text contrast",
        licence="apache-2.0",
        citation="Gadre et al., DataComp: In Search of the Next Generation of Multimodal Datasets, NeurIPS 2023",
        members={
            "b16": "vit_base_patch16_clip_224.datacompxl",
            "b32": "vit_base_patch32_clip_224.datacompxl",
            "l14": "vit_large_patch14_clip_224.datacompxl",
        },
    ),
    TimmFamily(
        name="metaclip",
        title="MetaCLIP (2.5B pairs)",
        supervision="image-text contrast",
        licence="cc-by-nc-4.0",
        citation="Xu et al., Demystifying CLIP Data, ICLR 2024",
        members={
            "b16": "vit_base_patch16_clip_quickgelu_224.metaclip_2pt5b",
            "b32": "vit_base_patch32_clip_quickgelu_224.metaclip_2pt5b",
            "l14": "vit_large_patch14_clip_quickgelu_224.metaclip_2pt5b",
        },
    ),
    TimmFamily(
        name="dfn",
        title="CLIP (DFN-2B)",
        supervision="image-text contrast",
        licence="apple-ascl",
        citation="Fang et al., Data Filtering Networks, ICLR 2024",
        members={
            # B/16 was trained with GELU, L/14 with QuickGELU
            "b16": "vit_base_patch16_clip_224.dfn2b",
            "l14": "vit_large_patch14_clip_quickgelu_224.dfn2b",
        },
    ),
    TimmFamily(
        name="pe-core",
        title="Perception Encoder (core)",
        supervision="image-text contrast",
        licence="apache-2.0",
        citation="Bolya et al., Perception Encoder: The best visual embeddings are not at the output of the network, "
        "arXiv:2504.13181, 2025",
        members={
            "t16": "vit_pe_core_tiny_patch16_384.fb",
            "s16": "vit_pe_core_small_patch16_384.fb",
            "b16": "vit_pe_core_base_patch16_224.fb",
            "l14": "vit_pe_core_large_patch14_336.fb",
            "g14": "vit_pe_core_gigantic_patch14_448.fb",
        },
    ),
    TimmFamily(
        name="pe-spatial",
        title="Perception Encoder (spatial)",
        supervision="image-text contrast",
        licence="apache-2.0",
        citation="Bolya et al., Perception Encoder: The best visual embeddings are not at the output of the network, "
        "arXiv:2504.13181, 2025",
        members={
            "t16": "vit_pe_spatial_tiny_patch16_512.fb",
            "s16": "vit_pe_spatial_small_patch16_512.fb",
            "b16": "vit_pe_spatial_base_patch16_512.fb",
            "l14": "vit_pe_spatial_large_patch14_448.fb",
            "g14": "vit_pe_spatial_gigantic_patch14_448.fb",
        },
    ),
    TimmFamily(
        name="tips2",
        title="TIPSv2",
        supervision="image-text contrast",
        licence="apache-2.0",
        citation="Cao et al., TIPSv2: Advancing Vision-Language Pretraining with Enhanced Patch-Text Alignment, "
        "CVPR 2026",
        pixels=448,
        members={
            "b14": "vit_base_patch14_reg1_tipsv2.webli",
            "l14": "vit_large_patch14_reg1_tipsv2.webli",
            "so400m14": "vit_so400m_patch14_reg1_tipsv2.webli",
            "g14": "vit_giant_patch14_reg1_tipsv2.webli",
        },
    ),
    TimmFamily(
        name="deit",
        title="DeiT",
        supervision="labels",
        licence="apache-2.0",
        citation="Touvron et al., Training data-efficient image transformers & distillation through attention, "
        "ICML 2021",
        members={
            "ti16": "deit_tiny_patch16_224.fb_in1k",
            "s16": "deit_small_patch16_224.fb_in1k",
            "b16": "deit_base_patch16_224.fb_in1k",
        },
    ),
    TimmFamily(
        name="deit3",
        title="DeiT III",
        supervision="labels",
        licence="apache-2.0",
        citation="Touvron et al., DeiT III: Revenge of the ViT, ECCV 2022",
        members={
            "s16": "deit3_small_patch16_224.fb_in1k",
            "b16": "deit3_base_patch16_224.fb_in1k",
            "l16": "deit3_large_patch16_224.fb_in1k",
            "h14": "deit3_huge_patch14_224.fb_in1k",
        },
    ),
    TimmFamily(
        name="eva02",
        title="EVA-02 (predicts CLIP's features)",
        supervision="masked token prediction",
        licence="mit",
        citation="Fang et al., EVA-02: A Visual Representation for Neon Genesis, Image and Vision Computing 2024",
        members={
            "ti14": "eva02_tiny_patch14_224.mim_in22k",
            "s14": "eva02_small_patch14_224.mim_in22k",
            "b14": "eva02_base_patch14_224.mim_in22k",
            "l14": "eva02_large_patch14_224.mim_in22k",
        },
    ),
    TimmFamily(
        name="ijepa",
        title="I-JEPA",
        supervision="latent prediction",
        licence="cc-by-nc-4.0",
        citation="Assran et al., Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture, "
        "CVPR 2023",
        heads={"giant": (40, 16)},
        members={
            "h14": "vit_huge_patch14_gap_224.in1k_ijepa",
            "h16-448": "vit_huge_patch16_gap_448.in1k_ijepa",
            "g16": "vit_giant_patch16_gap_224.in22k_ijepa",
        },
    ),
    TimmFamily(
        name="aimv2",
        title="AIMv2",
        supervision="autoregression",
        licence="apple-ascl",
        citation="Fini et al., Multimodal Autoregressive Pre-training of Large Vision Encoders, CVPR 2025",
        heads={"large": (24, 8), "huge": (24, 12), "1b": (24, 16), "3b": (24, 24)},
        members={
            "l14": "aimv2_large_patch14_224.apple_pt",
            "h14": "aimv2_huge_patch14_224.apple_pt",
            "1b14": "aimv2_1b_patch14_224.apple_pt",
            "3b14": "aimv2_3b_patch14_224.apple_pt",
        },
    ),
    TimmFamily(
        name="cradio3",
        title="C-RADIOv3",
        supervision="multi-teacher distillation",
        licence="nvidia-open-model-license",
        citation="Heinrich et al., RADIOv2.5: Improved Baselines for Agglomerative Vision Foundation Models, CVPR 2025",
        pixels=512,
        members={
            "b16": "vit_base_patch16_radio_v3.c_radio",
            "l16": "vit_large_patch16_radio_v3.c_radio",
            "h16": "vit_huge_patch16_radio_v3.c_radio",
            "g16": "vit_giant_patch16_radio_v3.c_radio",
        },
    ),
    TimmFamily(
        name="cradio4",
        title="C-RADIOv4",
        supervision="multi-teacher distillation",
        licence="nvidia-open-model-license",
        citation="Ranzinger et al., C-RADIOv4 (Tech Report), arXiv:2601.17237, 2026",
        pixels=512,
        members={
            "so400m16": "vit_so400m_patch16_radio_v4.c_radio",
            "h16": "vit_huge_patch16_radio_v4.c_radio",
        },
    ),
)
