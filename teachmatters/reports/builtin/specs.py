"""The built-in reports."""

from __future__ import annotations

from teachmatters.api import ReportSpec
from teachmatters.hookspecs import hookimpl

BEST_LAYER_METRICS = (
    "knn-top1",
    "linear-top1",
    "ridge-top1",
    "map-medium",
    "map-hard",
    "dense-knn-miou",
    "dense-ridge-miou",
    "davis-jf",
    "pck-0.10",
    "purity-cls",
    "purity-object",
    "purity-part",
)

IOU_QUERIES = ("cls", "spatial", "center")

RESIDUAL_METRICS = (
    "residual-cka-attn",
    "residual-cka-mlp",
    *(f"residual-norm-{block}-{tokens}" for block in ("attn", "mlp") for tokens in ("all", "cls", "spatial")),
)

TASKS = (
    ("knn", "k-NN accuracy over the layers: top-1, top-5", ("knn-top1", "knn-top5")),
    ("linear", "linear probes over the layers: top-1, top-5, ridge", ("linear-top1", "linear-top5", "ridge-top1")),
    ("retrieval", "retrieval over the layers: mAP, easy, medium and hard", ("map-easy", "map-medium", "map-hard")),
    ("dense", "segmentation over the layers: nearest patches, ridge", ("dense-knn-miou", "dense-ridge-miou")),
    ("video", "video segmentation over the layers: J&F, J and F", ("davis-jf", "davis-j", "davis-f")),
    ("keypoints", "keypoints over the layers: PCK at 0.10 and 0.05, by both protocols", ("pck-0.10", "pck-0.05")),
)

REPORTS = (
    ReportSpec(
        name="metric",
        summary="any metric: layers by models, and a line over the layers",
        sql="teachmatters.reports.builtin:sql/metric.sql",
        enrich="teachmatters.reports.builtin.references:enrich",
        table="teachmatters.reports.builtin.metric:table",
        draw="teachmatters.reports.builtin.metric:draw",
        takes=("by-supervision", "by-step", "pool"),
    ),
    ReportSpec(
        name="attention-distance",
        summary="attention distance: each head and the mean of each layer",
        sql="teachmatters.reports.builtin:sql/attention_distance.sql",
        table="teachmatters.reports.builtin.attention.attention_distance:table",
        draw="teachmatters.reports.builtin.attention.attention_distance:draw",
        metrics=("attn-distance",),
        single_data_set=True,
    ),
    ReportSpec(
        name="attention-iou",
        summary="how well attention covers objects, and by chance: best head and mean, class token and patches",
        sql="teachmatters.reports.builtin:sql/attention_iou.sql",
        table="teachmatters.reports.builtin.metric:table",
        draw="teachmatters.reports.builtin.attention.attention_iou:draw",
        metrics=tuple(f"attn-iou-{query}{way}" for way in ("-best", "", "-chance") for query in IOU_QUERIES),
    ),
    ReportSpec(
        name="best-layers",
        summary="the best layer of each model on each task",
        sql="teachmatters.reports.builtin:sql/best_layers.sql",
        enrich="teachmatters.reports.significance:enrich",
        table="teachmatters.reports.builtin.best_layers:table",
        plain="teachmatters.reports.tables.plain_best_layers:table",
        draw="teachmatters.reports.builtin.best_layers:draw",
        metrics=BEST_LAYER_METRICS,
        directed=True,
    ),
    ReportSpec(
        name="published",
        summary="the last layer on ImageNet, next to the figures that the models' authors publish",
        sql="teachmatters.reports.published:published.sql",
        enrich="teachmatters.reports.published.report:enrich",
        table="teachmatters.reports.published.report:table",
        draw="teachmatters.reports.published.report:draw",
        metrics=("knn-top1", "linear-top1"),
    ),
    ReportSpec(
        name="summary",
        summary="all models, all tasks: best scores and mean ranks",
        sql="teachmatters.reports.builtin:sql/summary.sql",
        table="teachmatters.reports.builtin.summary:table",
        draw="teachmatters.reports.builtin.summary:draw",
        directed=True,
    ),
    ReportSpec(
        name="compare",
        summary="two models, or one under two settings: the difference of their best layers on every task",
        sql="teachmatters.reports.builtin:sql/compare.sql",
        enrich="teachmatters.reports.builtin.compare:enrich",
        table="teachmatters.reports.builtin.compare:table",
        draw="teachmatters.reports.builtin.compare:draw",
        directed=True,
    ),
    ReportSpec(
        name="scatter",
        summary="two metrics against each other, one point per layer: the first --metric against each other one",
        sql="teachmatters.reports.builtin:sql/scatter.sql",
        table="teachmatters.reports.builtin.scatter:table",
        draw="teachmatters.reports.builtin.scatter:draw",
        metrics=("attn-distance", "knn-top1", "purity-object", "davis-jf"),
        least=2,
        takes=("by-head",),
    ),
    ReportSpec(
        name="cka",
        summary="the similarity of layers: a grid of all pairs of models, or one pair",
        sql="teachmatters.reports.builtin:sql/cka.sql",
        table="teachmatters.reports.builtin.cka:table",
        draw="teachmatters.reports.builtin.cka:draw",
        metrics=("cka",),
    ),
    ReportSpec(
        name="cka-last-layer",
        summary="the similarity of the last layers of all models: all tokens, class token, spatial tokens",
        sql="teachmatters.reports.builtin:sql/cka_last_layer.sql",
        table="teachmatters.reports.builtin.cka_last_layer:table",
        draw="teachmatters.reports.builtin.cka_last_layer:draw",
        metrics=("cka", "cka-cls", "cka-spatial"),
    ),
    ReportSpec(
        name="residual",
        summary="skip connections and branches: CKA and norm ratios over the layers",
        sql="teachmatters.reports.builtin:sql/residual.sql",
        table="teachmatters.reports.builtin.metric:table",
        draw="teachmatters.reports.builtin.residual:draw",
        metrics=RESIDUAL_METRICS,
    ),
    *(
        ReportSpec(
            name=name,
            summary=summary,
            sql="teachmatters.reports.builtin:sql/layers.sql",
            table="teachmatters.reports.builtin.metric:table",
            draw="teachmatters.reports.builtin.clusters:draw",
            metrics=tuple(f"{score}-{of}" for score in ("purity", "nmi", "ari") for of in sides),
        )
        for name, summary, sides in (
            ("clusters", "clusters of images by class: class token and patches", ("cls", "spatial")),
            ("parts", "clusters of objects, and of parts of objects, by category", ("object", "part")),
        )
    ),
    ReportSpec(
        name="heads",
        summary="heads by type: counts for each layer, offset heads, heads near a threshold; a map of the types",
        sql="teachmatters.reports.builtin:sql/heads.sql",
        table="teachmatters.reports.builtin.attention.heads:table",
        draw="teachmatters.reports.builtin.attention.heads_figure:draw",
        metrics=("attn-head-type",),
        single_data_set=True,
    ),
    ReportSpec(
        name="layers-heads",
        summary="any metric of heads as a map: layers by heads, sorted or not",
        sql="teachmatters.reports.builtin:sql/layers_heads.sql",
        table="teachmatters.reports.builtin.attention.layers_heads:table",
        draw="teachmatters.reports.builtin.attention.layers_heads:draw",
        metrics=("attn-distance",),
        takes=("sort",),
        single_data_set=True,
    ),
    *(
        ReportSpec(
            name=name,
            summary=summary,
            sql="teachmatters.reports.builtin:sql/metric.sql",
            enrich="teachmatters.reports.builtin.references:enrich",
            table="teachmatters.reports.builtin.metric:table",
            draw="teachmatters.reports.builtin.metric:draw",
            metrics=metrics,
            takes=("by-supervision", "by-step", "pool"),
        )
        for name, summary, metrics in TASKS
    ),
    *(
        ReportSpec(
            name=name,
            summary=summary,
            sql="teachmatters.reports.builtin:sql/maps.sql",
            enrich="teachmatters.reports.builtin.attention.attention_maps:enrich",
            table="teachmatters.reports.builtin.attention.attention_maps:table",
            draw="teachmatters.reports.builtin.attention.attention_maps:draw",
            metrics=(metric,),
            takes=("scale", *(["zoom"] if name == "aligned-maps" else [])),
            single_data_set=True,
        )
        for name, metric, summary in (
            (
                "attention-maps",
                "attn-map-cls",
                "averaged attention of each head: layers by heads; --metric selects the map",
            ),
            ("aligned-maps", "attn-map-aligned", "averaged attention of each head relative to the query"),
        )
    ),
)


@hookimpl
def register_reports() -> list[ReportSpec]:
    """Return the built-in reports."""
    return list(REPORTS)
