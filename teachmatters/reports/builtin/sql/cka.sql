/* Every pair of layers of every pair of models, on one data set: of the selected ones, that with the most pairs.
   A pair of models is stored once and shown both ways. An option that is not given is NULL and restricts nothing. */
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
        AND other_model IS NOT NULL
        AND other_layer IS NOT NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(other_model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
),
data AS (
    SELECT dataset, split
    FROM candidates
    GROUP BY dataset, split
    ORDER BY COUNT(DISTINCT model || '/' || other_model) DESC, MAX(finished_at) DESC, dataset, split
    LIMIT 1
)
SELECT
    model, family, supervision, arch, depth, candidates.dataset, candidates.split, setting, analysis, protocol, metric,
    other_model, layer, other_layer, category, value, std, n, unit
FROM candidates
JOIN data ON data.dataset = candidates.dataset AND data.split = candidates.split
WHERE choice = 1
    AND COALESCE(layer IN (:layers), TRUE)
    AND COALESCE(other_layer IN (:layers), TRUE)
ORDER BY metric, protocol NULLS FIRST, model, other_model, layer, other_layer, category NULLS FIRST
