/* Does the layer that knows the class best also find points best? */
WITH best AS (
    SELECT model, setting, metric, layer, max(value) AS score
    FROM results
    WHERE category IS NULL AND (metric = 'knn-top1' OR metric = 'pck-0.10' AND protocol = 'official')
    GROUP BY model, setting, metric
)
SELECT model, setting, class.layer AS class_layer, class.score AS knn_top1,
    point.layer AS point_layer, point.score AS pck, point.layer - class.layer AS apart
FROM best AS class
JOIN best AS point USING (model, setting)
WHERE class.metric = 'knn-top1' AND point.metric = 'pck-0.10'
ORDER BY apart
