/* What did a newer run change, by how much, and what differed: weights, data or versions? */
SELECT new.model, new.dataset, new.metric, new.layer, old.value AS was, new.value AS is_now,
    new.value - old.value AS change, run.weights <> before.weights AS other_weights,
    run.fingerprint <> before.fingerprint AS other_data, run.versions <> before.versions AS other_versions,
    old.finished_at AS then_measured
FROM all_results AS new
JOIN all_results AS old USING (model, dataset, split, analysis, setting, metric, layer)
JOIN runs AS run ON run.run_id = new.run_id
JOIN runs AS before ON before.run_id = old.run_id
WHERE new.is_newest = 1 AND old.is_newest = 0
    AND coalesce(new.protocol, '') = coalesce(old.protocol, '')
    AND new.head IS NULL AND old.head IS NULL AND new.category IS NULL AND old.category IS NULL
    AND new.other_model IS NULL AND old.other_model IS NULL
ORDER BY abs(new.value - old.value) DESC
