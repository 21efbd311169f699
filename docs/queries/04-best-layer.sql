/* Which layer is best, and what is its relative depth? */
WITH ranked AS (
    SELECT results.*,
        row_number() OVER (PARTITION BY model, dataset, setting ORDER BY value DESC, layer) AS place
    FROM results
    WHERE metric = 'knn-top1' AND category IS NULL
)
SELECT model, arch, dataset, setting, layer, round(1.0 * layer / depth, 2) AS relative_depth, value AS top1
FROM ranked
WHERE place = 1
ORDER BY dataset, setting, top1 DESC, model
