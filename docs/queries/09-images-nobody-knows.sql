/* Which images does no model name rightly at its last layer? */
-- These scores of units are one byte each, at the end of an .npy file: 100 or 0.
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
