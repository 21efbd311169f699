/* How far does each layer look? */
SELECT model, dataset, setting, layer, value, std, n
FROM results
WHERE metric = 'attn-distance' AND head IS NULL
ORDER BY dataset, setting, model, layer
