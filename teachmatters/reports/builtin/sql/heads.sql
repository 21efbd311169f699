/* The type of every head, with the evidence for it, and where its attention is, in patches from the query.
   An option that is not given is NULL and restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        -- Among the settings of a cell, the selected one comes first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol
            ORDER BY CASE WHEN setting = :setting THEN 0 ELSE 1 END, finished_at DESC, run_id
        ) AS choice
    FROM results
    WHERE metric = 'attn-head-type'
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
),
details AS (
    SELECT
        model, dataset, split, setting, layer, head,
        MAX(CASE WHEN metric = 'attn-head-share' THEN value END) AS share,
        MAX(CASE WHEN metric = 'attn-head-agreement' THEN value END) AS agreement,
        MAX(CASE WHEN metric = 'attn-head-margin' THEN value END) AS margin,
        MAX(CASE WHEN metric = 'attn-head-offset-x' THEN value END) AS x,
        MAX(CASE WHEN metric = 'attn-head-offset-y' THEN value END) AS y
    FROM results
    WHERE metric IN (
            'attn-head-share', 'attn-head-agreement', 'attn-head-margin', 'attn-head-offset-x', 'attn-head-offset-y'
        )
        AND head IS NOT NULL
    GROUP BY model, dataset, split, setting, layer, head
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, analysis, metric, layer, head,
    category AS type, value AS evidence, share, agreement, margin, n, x, y
FROM candidates
LEFT JOIN details USING (model, dataset, split, setting, layer, head)
WHERE choice = 1
    AND COALESCE(layer IN (:layers), TRUE)
    AND COALESCE(head IN (:heads), TRUE)
ORDER BY dataset, split, model, layer, head
