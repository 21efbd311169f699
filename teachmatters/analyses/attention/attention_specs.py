"""The specs of the attention analysis. They do not import torch."""

from __future__ import annotations

from teachmatters.api import SHORT_SIDE, AnalysisSpec, MetricSpec

_OFFSET = "Centre of mass of attention relative to the query{}; 1 is one side of the grid."
_MAP = "Attention averaged over images and {}."


def _attention_map(name: str, what: str, summary: str, *, needs_class_token: bool = False) -> MetricSpec:
    return MetricSpec(
        name=f"attn-map-{name}",
        title=f"mean attention of {what}",
        summary=summary,
        unit="",
        higher_is_better=None,
        level="map",
        headline=False,
        needs_class_token=needs_class_token,
        source="Walmer et al. 2023",
    )


ATTENTION = AnalysisSpec(
    name="attention",
    # Version 2: attn-distance is exact to seven digits. Version 3: types of heads by squares that grow with the grid.
    version=3,
    summary="The distance, offset, entropy and type of attention, for each head of each layer.",
    factory="teachmatters.analyses.attention.attention:AttentionAnalysis",
    kind="images",
    metrics=(
        MetricSpec(
            name="attn-distance",
            title="attention distance",
            summary="Mean distance from a patch to the patches it attends to; 1 is the longer side of the image.",
            unit="image side",
            higher_is_better=None,
            bounds=(0.0, 2**0.5),
            level="head",
            source="Dosovitskiy et al. 2021; Raghu et al. 2021",
        ),
        *(
            MetricSpec(
                name=f"attn-offset{suffix}",
                title=f"attention offset{title}",
                summary=_OFFSET.format(rest),
                unit="grid side",
                higher_is_better=None,
                bounds=bounds,
                level="head",
                source="Walmer et al. 2023",
            )
            for suffix, title, rest, bounds in (
                ("", "", ", its distance from the query", (0.0, 2**0.5)),
                ("-x", ", x", ", to the right", (-1.0, 1.0)),
                ("-y", ", y", ", downwards", (-1.0, 1.0)),
            )
        ),
        MetricSpec(
            name="attn-on-cls",
            title="attention on the class token",
            summary="Share of a patch's attention that goes to the class token.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 1.0),
            level="head",
            needs_class_token=True,
            source="Walmer et al. 2023",
        ),
        MetricSpec(
            name="attn-on-registers",
            title="attention on registers",
            summary="Share of a patch's attention that goes to the other tokens before the patches.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 1.0),
            level="head",
            needs_registers=True,
            source="Darcet et al. 2024",
        ),
        MetricSpec(
            name="attn-nmi",
            title="mutual information of query and key",
            summary="How much attention depends on the query: 0 if all rows are equal, 1 if each has a different key.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 1.0),
            level="head",
            source="Park et al. 2023",
        ),
        MetricSpec(
            name="attn-position-std",
            title="deviation over positions",
            summary="How much the attention that a patch receives depends on the query.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 2**-0.5),
            level="head",
            source="Walmer et al. 2023",
        ),
        MetricSpec(
            name="attn-entropy",
            title="attention entropy",
            summary="Mean entropy of the rows of patches: how many tokens they spread over.",
            unit="nats",
            higher_is_better=None,
            bounds=(0.0, None),
            level="head",
        ),
        MetricSpec(
            name="attn-head-std",
            title="deviation over heads",
            summary="How much the heads of a layer differ, averaged over pairs of patches.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 2**-0.5),
            source="Walmer et al. 2023",
        ),
        MetricSpec(
            name="attn-head-type",
            title="type of head",
            summary="Type of a head's aligned map (category), and the evidence for it: share times agreement.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 1.0),
            level="head",
            headline=False,
        ),
        *(
            MetricSpec(
                name=f"attn-head-{name}",
                title=title,
                summary=summary,
                unit="",
                higher_is_better=None,
                bounds=(0.0, 1.0),
                level="head",
            )
            for name, title, summary in (
                ("share", "share of a head's type", "Attention in the region that a head's type is named after."),
                (
                    "agreement",
                    "agreement of halves",
                    "Mass that a head's aligned maps of two halves of the images share.",
                ),
                (
                    "margin",
                    "margin of a head's type",
                    "Distance from the nearest threshold that would change the type.",
                ),
            )
        ),
        *(
            MetricSpec(
                name=f"attn-head-offset-{axis}",
                title=f"offset of a head's region, {axis}",
                summary=f"Centre of attention in the soft square of a head's type, in patches {way} the query.",
                unit="patches",
                higher_is_better=None,
                level="head",
            )
            for axis, way in (("x", "to the right of"), ("y", "below"))
        ),
        MetricSpec(
            name="attn-map-class-std",
            title="deviation of mean attention over classes",
            summary="How much the mean attention of patches on patches differs between classes of images.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 2**-0.5),
            level="head",
            kind="labels",
            source="Walmer et al. 2023",
        ),
        _attention_map("all", "all tokens", _MAP.format("all queries")),
        _attention_map(
            "cls", "the class token", "Attention of the class token, averaged over images.", needs_class_token=True
        ),
        _attention_map("spatial", "patches", _MAP.format("spatial queries")),
        _attention_map("spatial-pure", "patches on patches", _MAP.format("spatial queries, over patches alone")),
        _attention_map(
            "aligned", "patches, aligned", "Every patch's attention, shifted so that the patch is in the centre."
        ),
    ),
    parameters=(SHORT_SIDE,),
    paper_data=("imagenet50",),
    suites=("how", "paper"),
)
