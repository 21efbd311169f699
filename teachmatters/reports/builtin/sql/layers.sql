/* One number per layer of each metric, model and data set, without heads and categories.
   An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Among the settings of a cell, the selected one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol, metric, other_model
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM results
    WHERE metric IN (:metrics)
        AND head IS NULL
        AND category IS NULL
        AND other_layer IS NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, protocol, metric, other_model,
    layer, value, std, n, unit
FROM candidates
WHERE choice = 1
    AND COALESCE(layer IN (:layers), TRUE)
ORDER BY dataset, split, metric, protocol NULLS FIRST, model, other_model NULLS FIRST, layer
