/* The type of every head, with the evidence for it, and its offset where that was measured too.
   An option that was not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Of one cell's settings the wanted one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM results
    WHERE metric = 'attn-head-type'
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
),
offsets AS (
    SELECT
        model, dataset, split, setting, layer, head,
        MAX(CASE WHEN metric = 'attn-offset-x' THEN value END) AS x,
        MAX(CASE WHEN metric = 'attn-offset-y' THEN value END) AS y
    FROM results
    WHERE metric IN ('attn-offset-x', 'attn-offset-y')
        AND head IS NOT NULL
    GROUP BY model, dataset, split, setting, layer, head
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, metric, layer, head,
    category AS type, value AS evidence, n, offsets.x AS x, offsets.y AS y
FROM candidates
LEFT JOIN offsets USING (model, dataset, split, setting, layer, head)
WHERE choice = 1
    AND COALESCE(layer IN (:layers), TRUE)
    AND COALESCE(head IN (:heads), TRUE)
ORDER BY dataset, split, model, layer, head
