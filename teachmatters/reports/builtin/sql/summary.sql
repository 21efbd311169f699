/* Every metric that has a better, on every data set: each model's best layer, and its place among the models (ties
   share one). An option that was not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Of one cell's settings the wanted one comes first, of the protocols the one declared first, then the newest.
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
    -- A trial and a full run are not set against each other.
    RANK() OVER (PARTITION BY dataset, split, analysis, metric, protocol, setting ORDER BY badness) AS place,
    COUNT(*) OVER (PARTITION BY dataset, split, analysis, metric, protocol, setting) AS models
FROM layers
WHERE nth = 1
ORDER BY analysis, metric, dataset, split, setting = :setting DESC, setting, model
