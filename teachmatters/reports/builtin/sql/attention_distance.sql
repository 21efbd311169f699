/* The mean of every layer (head IS NULL) and its heads; grid is the shape of a map of all heads over patches.
   An option that is not given is NULL and restricts nothing. */
WITH measured AS (
    SELECT DISTINCT run_id, model, dataset, split, analysis, protocol, metric, other_model, setting, finished_at
    FROM results
    WHERE metric IN (:metrics)
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
),
chosen AS (
    SELECT
        measured.*,
        -- Among the settings of a cell, the selected one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol, metric, other_model
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM measured
),
grids AS (
    SELECT model, MAX(shape) AS grid
    FROM maps
    WHERE name = 'attn-map-spatial-pure'
    GROUP BY model
)
SELECT
    results.model, family, supervision, arch, depth, results.dataset, results.split, results.setting, results.analysis,
    results.protocol, results.metric, results.other_model,
    layer, head, value, std, n, unit, grid
FROM results
JOIN chosen ON chosen.run_id = results.run_id AND chosen.model = results.model AND chosen.metric = results.metric
    AND COALESCE(chosen.protocol, '') = COALESCE(results.protocol, '')
    AND COALESCE(chosen.other_model, '') = COALESCE(results.other_model, '')
LEFT JOIN grids ON grids.model = results.model
WHERE results.metric IN (:metrics)
    AND choice = 1
    AND category IS NULL
    AND other_layer IS NULL
    AND (head IS NULL OR COALESCE(head IN (:heads), TRUE))
    AND COALESCE(layer IN (:layers), TRUE)
ORDER BY
    results.metric, results.protocol NULLS FIRST, results.dataset, results.split, results.model,
    results.other_model NULLS FIRST, layer, head NULLS FIRST
