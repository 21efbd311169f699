/* Any metric, by layer: each layer's headline rows, the selected heads, and every row of a metric without headline.
   An option that is not given is NULL and restricts nothing. */
WITH measured AS (
    SELECT
        run_id, model, dataset, split, analysis, protocol, metric, other_model, setting, finished_at,
        COUNT(CASE WHEN head IS NULL AND category IS NULL THEN 1 END) = 0 AS no_headline
    FROM results
    WHERE metric IN (:metrics)
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
    GROUP BY run_id, model, dataset, split, analysis, protocol, metric, other_model, setting, finished_at
),
chosen AS (
    SELECT
        measured.*,
        -- Among the settings of a cell, all selected ones are shown, else the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, protocol, metric, other_model
            ORDER BY
                CASE WHEN setting IN (:settings) THEN 0 ELSE 1 END,
                CASE WHEN setting IN (:settings) THEN NULL ELSE finished_at END DESC,
                CASE WHEN setting IN (:settings) THEN NULL ELSE run_id END
        ) AS choice
    FROM measured
)
SELECT
    results.model, family, supervision, arch, depth, results.dataset, results.split, results.setting, results.analysis,
    results.protocol, results.metric, results.other_model,
    layer, other_layer, head, category, value, std, n, unit
FROM results
JOIN chosen ON chosen.run_id = results.run_id AND chosen.model = results.model AND chosen.metric = results.metric
    AND COALESCE(chosen.protocol, '') = COALESCE(results.protocol, '')
    AND COALESCE(chosen.other_model, '') = COALESCE(results.other_model, '')
WHERE results.metric IN (:metrics)
    AND choice = 1
    AND ((head IS NULL AND category IS NULL) OR COALESCE(head IN (:heads), no_headline))
    AND COALESCE(layer IN (:layers), TRUE)
ORDER BY
    results.metric, results.protocol NULLS FIRST, results.dataset, results.split, results.model,
    results.other_model NULLS FIRST, layer, other_layer NULLS FIRST, head NULLS FIRST, category NULLS FIRST
