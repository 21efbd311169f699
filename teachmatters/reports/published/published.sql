/* The last layer of each model on each data set, with the requested name of the model. Of several settings, that of the
   authors (final norm, short side of 256 pixels) comes first, then the newest. NULL restricts nothing. */
WITH candidates AS (
    SELECT
        results.*,
        runs.name,
        RANK() OVER (
            PARTITION BY results.model, results.dataset, results.metric
            ORDER BY
                CASE WHEN results.setting = 'norm=final, short_side=256' THEN 0 ELSE 1 END,
                runs.finished_at DESC, results.run_id
        ) AS choice
    FROM results
    JOIN runs ON runs.run_id = results.run_id
    WHERE results.metric IN (:metrics)
        AND layer = depth
        AND head IS NULL
        AND category IS NULL
        AND COALESCE(results.model IN (:models), TRUE)
)
SELECT
    model, name, family, supervision, image_size, dataset, split, setting, analysis, protocol, metric,
    layer, value, n, unit, run_id
FROM candidates
WHERE choice = 1
ORDER BY metric, model
