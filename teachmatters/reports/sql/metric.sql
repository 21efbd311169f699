/* Any metric, layer by layer: each layer's headline rows, the heads asked for, and every row of a metric without headline.
   An option that was not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Of one cell's settings the wanted one comes first, then the newest.
        RANK() OVER (
            cell
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice,
        COUNT(CASE WHEN head IS NULL AND category IS NULL THEN 1 END) OVER cell = 0 AS no_headline
    FROM results
    WHERE metric IN (:metrics)
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
    WINDOW cell AS (PARTITION BY model, dataset, split, analysis, protocol, metric, other_model)
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, protocol, metric, other_model,
    layer, other_layer, head, category, value, std, n, unit
FROM candidates
WHERE choice = 1
    AND ((head IS NULL AND category IS NULL) OR COALESCE(head IN (:heads), no_headline))
    AND COALESCE(layer IN (:layers), TRUE)
ORDER BY metric, protocol, dataset, split, model, other_model, layer, other_layer, head, category
