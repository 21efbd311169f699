/* How much the tokens grow from the first layer to the last. An option that is not given is NULL and restricts nothing. */
SELECT
    model, dataset, setting,
    MAX(CASE WHEN layer = 1 THEN value END) AS first_layer,
    MAX(CASE WHEN layer = depth THEN value END) AS last_layer,
    MAX(CASE WHEN layer = depth THEN value END) / MAX(CASE WHEN layer = 1 THEN value END) AS growth
FROM results
WHERE metric = 'token-norm'
    AND COALESCE(model IN (:models), TRUE)
    AND COALESCE(dataset IN (:data), TRUE)
GROUP BY model, dataset, setting
