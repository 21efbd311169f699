/* How much worse is the last layer than the best one, on every task? */
SELECT model, metric, protocol, dataset, max(value) AS best, max(value) FILTER (WHERE layer = depth) AS last,
    max(value) - max(value) FILTER (WHERE layer = depth) AS lost, unit
FROM results
WHERE higher_is_better = 1 AND head IS NULL AND category IS NULL AND other_model IS NULL
GROUP BY model, metric, protocol, dataset, setting, unit
ORDER BY unit, lost DESC NULLS LAST, model, metric, protocol NULLS FIRST, dataset, setting
