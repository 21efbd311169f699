/* What is the origin of a model's numbers: weights, data, versions, time? */
SELECT model, other_model, dataset, analysis, setting, substr(weights, 1, 12) AS weights,
    substr(fingerprint, 1, 12) AS fingerprint, n_items, n_skipped, device, dtype,
    json_extract(versions, '$.teachmatters') AS teachmatters, json_extract(versions, '$.torch') AS torch,
    finished_at, round(seconds, 1) AS seconds
FROM runs
ORDER BY model, other_model, dataset, analysis, finished_at
