/* The best layer of each model for each metric with a direction and each data set; of ties the lowest layer.
   An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Of a cell's settings the selected one comes first, then the first declared protocol, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, metric, other_model
            ORDER BY
                CASE WHEN setting = :setting THEN 0 ELSE 1 END,
                COALESCE(protocol, '') NOT IN (SELECT main_protocol FROM metrics WHERE name = metric),
                finished_at DESC, run_id, protocol NULLS FIRST
        ) AS choice
    FROM results
    WHERE metric IN (:metrics)
        AND higher_is_better IS NOT NULL
        AND head IS NULL
        AND category IS NULL
        AND other_layer IS NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
),
ranked AS (
    SELECT
        candidates.*,
        ROW_NUMBER() OVER (
            PARTITION BY model, dataset, split, analysis, metric, other_model
            ORDER BY CASE WHEN higher_is_better = 1 THEN -value ELSE value END, layer
        ) AS place
    FROM candidates
    WHERE choice = 1
        AND COALESCE(layer IN (:layers), TRUE)
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, protocol, metric, other_model,
    layer, value, std, n, unit, higher_is_better, run_id
FROM ranked
WHERE place = 1
ORDER BY metric, protocol NULLS FIRST, dataset, split, model, other_model NULLS FIRST
