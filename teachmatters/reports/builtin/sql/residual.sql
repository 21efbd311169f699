/* Skip against branch, layer by layer: norm ratios, and CKA of a layer's skip with its branch.
   An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Among the settings of a cell, the selected one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol, metric
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM results
    WHERE metric IN (:metrics)
        AND other_model IS NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, protocol, metric, other_model,
    layer, head, category, value, std, n, unit
FROM candidates
WHERE choice = 1
    AND (other_layer IS NULL OR other_layer = layer)
    AND COALESCE(layer IN (:layers), TRUE)
ORDER BY metric, protocol NULLS FIRST, dataset, split, model, layer
