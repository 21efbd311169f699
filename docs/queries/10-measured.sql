/* What has been measured, and under which settings? */
SELECT model, dataset, split, analysis, setting, count(DISTINCT metric) AS metrics, count(*) AS numbers
FROM results
GROUP BY model, dataset, split, analysis, setting
ORDER BY model, dataset, split, analysis, setting
