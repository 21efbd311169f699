/* The overlap of attention and objects: one number per layer of each metric, model and data set, with the overlap of as
   many random patches if it was measured, too. An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- attn-iou-cls-chance is the chance of attn-iou-cls, attn-iou-cls-merged and attn-iou-cls-best.
        CASE
            WHEN metric LIKE 'attn-iou-cls%' THEN 'attn-iou-cls-chance'
            WHEN metric LIKE 'attn-iou-spatial%' THEN 'attn-iou-spatial-chance'
            WHEN metric LIKE 'attn-iou-center%' THEN 'attn-iou-center-chance'
        END AS chance_metric,
        -- Among the settings of a cell, the selected one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol, metric
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM results
    WHERE metric IN (:metrics)
        AND head IS NULL
        AND category IS NULL
        AND other_layer IS NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
),
chances AS (
    SELECT model, dataset, split, setting, analysis, metric AS chance_metric, layer, MAX(value) AS chance
    FROM results
    WHERE metric IN ('attn-iou-cls-chance', 'attn-iou-spatial-chance', 'attn-iou-center-chance')
        AND head IS NULL
    GROUP BY model, dataset, split, setting, analysis, metric, layer
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, protocol, metric, other_model,
    layer, value, std, n, unit, chances.chance AS chance
FROM candidates
LEFT JOIN chances USING (model, dataset, split, setting, analysis, chance_metric, layer)
WHERE choice = 1
    AND COALESCE(layer IN (:layers), TRUE)
ORDER BY dataset, split, metric, protocol NULLS FIRST, model, other_model NULLS FIRST, layer
