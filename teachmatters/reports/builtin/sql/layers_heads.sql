/* Any metric of heads: a row for each head of each layer.
   An option that is not given is NULL and restricts nothing. */
WITH measured AS (
    SELECT DISTINCT run_id, model, dataset, split, analysis, protocol, metric, setting, finished_at
    FROM results
    WHERE metric IN (:metrics)
        AND head IS NOT NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
),
chosen AS (
    SELECT
        measured.*,
        -- Among the settings of a cell, the selected one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol, metric
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM measured
)
SELECT
    results.model, family, supervision, arch, depth, results.dataset, results.split, results.setting, results.analysis,
    results.protocol, results.metric, layer, head, value, std, n, unit
FROM results
JOIN chosen ON chosen.run_id = results.run_id AND chosen.model = results.model AND chosen.metric = results.metric
    AND COALESCE(chosen.protocol, '') = COALESCE(results.protocol, '')
WHERE results.metric IN (:metrics)
    AND choice = 1
    AND COALESCE(head IN (:heads), head IS NOT NULL)
    AND COALESCE(layer IN (:layers), TRUE)
ORDER BY results.metric, results.protocol NULLS FIRST, results.dataset, results.split, results.model, layer, head
