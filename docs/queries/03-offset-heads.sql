/* Which heads look to one side, and in which direction? */
-- One patch of a grid of 8 x 8 is 1/7 of its side; x is to the right, y downwards.
SELECT length.model, length.dataset, length.layer, length.head, round(CAST(length.value AS NUMERIC), 3) AS offset,
    round(CAST(x.value AS NUMERIC), 3) AS x, round(CAST(y.value AS NUMERIC), 3) AS y
FROM results AS length
JOIN results AS x USING (run_id, layer, head)
JOIN results AS y USING (run_id, layer, head)
WHERE length.metric = 'attn-offset' AND x.metric = 'attn-offset-x' AND y.metric = 'attn-offset-y'
ORDER BY length.value DESC
LIMIT 20
