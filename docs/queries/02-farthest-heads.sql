/* Which heads look farthest, and how far does their layer look on average? */
SELECT head.model, head.dataset, head.layer, head.head, round(CAST(head.value AS NUMERIC), 3) AS distance,
    round(CAST(whole.value AS NUMERIC), 3) AS layer_mean
FROM results AS head
JOIN results AS whole USING (run_id, metric, layer)
WHERE metric = 'attn-distance' AND head.head IS NOT NULL AND whole.head IS NULL
ORDER BY head.value DESC
LIMIT 20
