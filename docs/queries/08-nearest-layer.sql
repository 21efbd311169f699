/* Which layer of another model is each layer most like, and how alike would pictures in a random order make them? */
SELECT here.model, here.layer, here.other_model, here.other_layer, max(here.value) AS cka, chance.value AS chance
FROM results AS here
JOIN results AS chance USING (run_id, model, layer, other_model, other_layer)
WHERE here.metric = 'cka' AND chance.metric = 'cka-null' AND here.model <> here.other_model
GROUP BY here.model, here.layer, here.other_model, here.dataset, here.setting
ORDER BY here.model, here.other_model, here.layer
