/* How differently heads attend: every layer's own row (head IS NULL) and those of its heads.
   An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Of several settings of one measurement the wanted one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM results
    WHERE metric = 'head-specialisation'
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
)
SELECT model, family, supervision, arch, depth, dataset, split, setting, analysis, metric, layer, head, value, std, n, unit
FROM candidates
WHERE choice = 1
    AND COALESCE(layer IN (:layers), TRUE)
    AND (head IS NULL OR COALESCE(head IN (:heads), TRUE))
ORDER BY dataset, split, model, layer, head
