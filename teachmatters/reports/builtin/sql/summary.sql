/* Every metric with a direction, on every data set: each model's best layer, and its rank among the models (ties
   share one). An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Of a cell's settings the selected one comes first, then the first declared protocol, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, metric
            ORDER BY
                CASE WHEN setting = :setting THEN 0 ELSE 1 END,
                COALESCE(protocol, '') NOT IN (SELECT main_protocol FROM metrics WHERE name = metric),
                finished_at DESC, run_id, protocol NULLS FIRST
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
),
layers AS (
    SELECT
        candidates.*,
        ROW_NUMBER() OVER (PARTITION BY model, dataset, split, analysis, metric ORDER BY badness, layer) AS nth
    FROM candidates
    WHERE choice = 1 AND COALESCE(layer IN (:layers), TRUE)
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, protocol, metric, layer, value, unit,
    higher_is_better,
    -- Do not rank a trial against a full run.
    RANK() OVER (PARTITION BY dataset, split, analysis, metric, protocol, setting ORDER BY badness) AS place,
    COUNT(*) OVER (PARTITION BY dataset, split, analysis, metric, protocol, setting) AS models
FROM layers
WHERE nth = 1
ORDER BY analysis, metric, dataset, split, setting = :setting DESC, setting, model
