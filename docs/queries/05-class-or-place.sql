/* Is the best layer for classes also the best one for keypoints? */
WITH ranked AS (
    SELECT model, setting, metric, layer, value,
        row_number() OVER (PARTITION BY model, setting, metric ORDER BY value DESC, layer) AS place
    FROM results
    WHERE category IS NULL AND (metric = 'knn-top1' OR metric = 'pck-0.10' AND protocol = 'official')
)
SELECT model, setting, class.layer AS class_layer, class.value AS knn_top1,
    point.layer AS point_layer, point.value AS pck, point.layer - class.layer AS apart
FROM ranked AS class
JOIN ranked AS point USING (model, setting)
WHERE class.metric = 'knn-top1' AND point.metric = 'pck-0.10' AND class.place = 1 AND point.place = 1
ORDER BY apart, model, setting
