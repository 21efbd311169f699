/* Which images does no model classify correctly at its last layer? */
-- The unit scores are one byte each, 100 or 0, at the end of an .npy file.
WITH last AS (
    SELECT run_id, max(layer) AS layer FROM maps WHERE name = 'unit:knn-top1' GROUP BY run_id
), scores AS (
    SELECT maps.model, maps.dataset, maps.setting, image.value AS image,
        hex(substr(data, length(data) - json_array_length(units) + image.key + 1, 1)) <> '00' AS known
    FROM maps
    JOIN last USING (run_id, layer)
    JOIN json_each(maps.units) AS image
    WHERE maps.name = 'unit:knn-top1' AND maps.dtype = 'uint8'
)
SELECT dataset, setting, image, count(*) AS models, sum(known) AS known_by
FROM scores
GROUP BY dataset, setting, image
HAVING known_by = 0
ORDER BY dataset, image
