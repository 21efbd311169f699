"""The specs of cka, similarity, residual, rank and position. They do not import torch."""

from __future__ import annotations

from teachmatters.api import FEATURE, NORM, SHORT_SIDE, TAP, AnalysisSpec, MetricSpec, Parameter

_CKA = "Cortes et al. 2012; Kornblith et al. 2019; Nguyen et al. 2021"
_BATCH = Parameter(
    name="cka_batch", kind="int", default=64, summary="images in a mini-batch, over which HSIC is averaged", minimum=4
)


def _cka(name: str, title: str, summary: str, *, class_token: bool = False, headline: bool = True) -> MetricSpec:
    return MetricSpec(
        name=name,
        title=title,
        summary=summary,
        unit="",
        higher_is_better=None,
        bounds=(-1.0, 1.0),
        level="layer-pair",
        headline=headline,
        needs_class_token=class_token,
        source=_CKA,
    )


def _mknn(name: str, title: str, summary: str) -> MetricSpec:
    return MetricSpec(
        name=name,
        title=title,
        summary=summary,
        unit="",
        higher_is_better=None,
        bounds=(0.0, 1.0),
        level="layer-pair",
        needs_class_token=True,
        source="Huh et al. 2024",
    )


_NULL = "By chance: 95th percentile over 100 permutations of the other model's images, {}."

CKA = AnalysisSpec(
    name="cka",
    summary="How similarly the layers of two models, or of one model, represent the same images.",
    factory="teachmatters.analyses.representation.cka:CkaAnalysis",
    kind="images",
    metrics=(
        _cka("cka", "CKA, all tokens", "Linear CKA (unbiased HSIC, mini-batches) of two layers' outputs, all tokens."),
        _cka("cka-cls", "CKA, class token", "The same of the class tokens.", class_token=True),
        _cka("cka-spatial", "CKA, spatial tokens", "The same of the spatial tokens."),
        _cka(
            "cka-norm",
            "CKA of norm outputs",
            "The same of the outputs of the blocks' two norms, all tokens; category 1-2: norm 1 with norm 2.",
            headline=False,
        ),
        _cka("cka-null", "CKA by chance", _NULL.format("within their mini-batch")),
        _mknn(
            "mknn",
            "mutual k-NN, class token",
            "Share of each image's 10 nearest others (cosine of class tokens) that both layers agree on.",
        ),
        _mknn("mknn-null", "mutual k-NN by chance", _NULL.format("all of them")),
    ),
    parameters=(_BATCH, SHORT_SIDE),
    pairs=True,
    paper_data=("imagenet50",),
    suites=("what", "paper"),
)

_BLOCKS = {"attn": "attention", "mlp": "MLP"}
_TOKENS = {"all": "all tokens", "cls": "class token", "spatial": "spatial tokens"}

RESIDUAL = AnalysisSpec(
    name="residual",
    summary="What the skip connections carry and what the branches add, in direction and in size.",
    factory="teachmatters.analyses.representation.residual:ResidualAnalysis",
    kind="images",
    metrics=(
        *(
            _cka(
                f"residual-cka-{block}",
                f"CKA of skip and branch, {name}",
                f"CKA of the {name} skip (layer) and its branch (other layer), all tokens.",
            )
            for block, name in _BLOCKS.items()
        ),
        *(
            MetricSpec(
                name=f"residual-norm-{block}-{tokens}",
                title=f"skip / branch, {name}, {words}",
                summary=f"Mean over images of the norm of the {name} skip over that of its branch, {words}.",
                unit="",
                higher_is_better=None,
                bounds=(0.0, None),
                needs_class_token=tokens == "cls",
                source="Raghu et al. 2021",
            )
            for block, name in _BLOCKS.items()
            for tokens, words in _TOKENS.items()
        ),
    ),
    parameters=(_BATCH, SHORT_SIDE),
    paper_data=("imagenet50",),
    suites=("what", "paper"),
)

RANK = AnalysisSpec(
    name="rank",
    summary="How many directions the features of a layer use; few of them mean collapse.",
    factory="teachmatters.analyses.representation.rank:RankAnalysis",
    kind="images",
    metrics=tuple(
        MetricSpec(
            name=f"effective-rank-{tokens}",
            title=f"effective rank, {_TOKENS[tokens]}",
            summary=f"Exponential of the entropy of the singular values of the centred features, {_TOKENS[tokens]}.",
            unit="directions",
            higher_is_better=None,
            bounds=(1.0, None),
            needs_class_token=tokens == "cls",
            source="Roy and Vetterli 2007",
        )
        for tokens in ("cls", "spatial")
    ),
    parameters=(TAP, NORM, SHORT_SIDE),
    paper_data=("imagenet50",),
    suites=("what",),
)

SIMILARITY = AnalysisSpec(
    name="similarity",
    summary="How similar the image vectors of two models' layers are, or of one model's.",
    factory="teachmatters.analyses.representation.similarity:SimilarityAnalysis",
    kind="images",
    metrics=(
        MetricSpec(
            name="procrustes",
            title="Procrustes similarity",
            summary="Similarity of two layers' image vectors that is left after the best rotation and scaling.",
            bounds=(0.0, 1.0),
            level="layer-pair",
            source="Williams et al. 2021; Ding et al. 2021",
        ),
        MetricSpec(
            name="rsa",
            title="RSA",
            summary="Rank correlation of the cosine similarities of all pairs of images in two layers.",
            bounds=(-1.0, 1.0),
            level="layer-pair",
            source="Kriegeskorte et al. 2008",
        ),
    ),
    parameters=(
        Parameter(name="images", kind="int", default=2000, minimum=4, summary="images to compare, from the first on"),
        FEATURE,
        TAP,
        NORM,
        SHORT_SIDE,
    ),
    pairs=True,
    suites=("what",),
)

POSITION = AnalysisSpec(
    name="position",
    summary="How well the position of a patch can be read from its token.",
    factory="teachmatters.analyses.representation.position:PositionAnalysis",
    kind="images",
    metrics=(
        MetricSpec(
            name="position-r2",
            title="R² of the position",
            summary="R² of a patch's row and column, predicted from its token by ridge regression on other images.",
            bounds=(None, 1.0),
            source="Hoerl and Kennard 1970",
        ),
    ),
    parameters=(TAP, NORM, SHORT_SIDE),
    suites=("what",),
)
