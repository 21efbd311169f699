/* How do two models differ, layer by layer, and what is the standard error? */
SELECT metric, dataset, setting, layer, a.value AS dino, b.value AS mae, a.value - b.value AS difference,
    sqrt(a.std * a.std / a.n + b.std * b.std / b.n) AS standard_error
FROM results AS a
JOIN results AS b USING (metric, dataset, split, setting, layer)
WHERE a.model = 'mini-dino' AND b.model = 'mini-mae' AND metric = 'attn-distance'
    AND a.head IS NULL AND b.head IS NULL
ORDER BY dataset, setting, layer
