/* The best layer of each model and setting for every metric with a direction, by which two of them are compared.
   An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Keep the first declared protocol.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, metric, setting
            ORDER BY COALESCE(protocol, '') NOT IN (SELECT main_protocol FROM metrics WHERE name = metric),
                protocol NULLS FIRST
        ) AS choice,
        CASE WHEN higher_is_better = 1 THEN -value ELSE value END AS badness
    FROM results
    WHERE metric IN (:metrics)
        AND higher_is_better IS NOT NULL
        AND head IS NULL
        AND category IS NULL
        AND other_model IS NULL
        AND other_layer IS NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
        AND COALESCE(layer IN (:layers), TRUE)
),
ranked AS (
    SELECT
        candidates.*,
        ROW_NUMBER() OVER (
            PARTITION BY model, dataset, split, analysis, metric, setting ORDER BY badness, layer
        ) AS place
    FROM candidates
    WHERE choice = 1
)
SELECT
    model, family, supervision, dataset, split, setting, setting = :setting AS asked, analysis, protocol, metric,
    layer, value, unit, higher_is_better, run_id, finished_at
FROM ranked
WHERE place = 1
ORDER BY analysis, metric, dataset, split, model, setting
