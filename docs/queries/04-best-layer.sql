/* Which layer is best, and how deep does it lie? */
SELECT model, arch, dataset, setting, layer, round(1.0 * layer / depth, 2) AS relative_depth,
    max(value) AS top1
FROM results
WHERE metric = 'knn-top1' AND category IS NULL
GROUP BY model, dataset, setting
ORDER BY dataset, setting, top1 DESC
