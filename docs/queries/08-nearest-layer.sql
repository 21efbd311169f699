/* Which layer of another model is most similar to each layer, compared with images in a random order? */
WITH ranked AS (
    SELECT here.*, chance.value AS chance, row_number() OVER (
            PARTITION BY here.model, here.layer, here.other_model, here.dataset, here.setting
            ORDER BY here.value DESC, here.other_layer
        ) AS place
    FROM results AS here
    JOIN results AS chance ON chance.run_id = here.run_id AND chance.model = here.model AND chance.layer = here.layer
        AND chance.other_model = here.other_model AND chance.other_layer = here.other_layer
    WHERE here.metric = 'cka' AND chance.metric = 'cka-null' AND here.model <> here.other_model
)
SELECT model, layer, other_model, other_layer, value AS cka, chance
FROM ranked
WHERE place = 1
ORDER BY model, other_model, layer, dataset, setting
