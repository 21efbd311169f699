/* Two metrics of the same layers: the first one asked for against each of the others, on the data set that both were
   measured on, else on whichever each was. An option that was not given is NULL and restricts nothing. */
WITH wanted AS (
    SELECT value AS metric, key AS place FROM json_each(json_array(:metrics))
),
candidates AS (
    SELECT
        results.*,
        -- Of one cell's settings the wanted one comes first, of the protocols the one declared first, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, metric
            ORDER BY
                CASE WHEN setting = :setting THEN 0 ELSE 1 END,
                COALESCE(protocol, '') NOT IN (SELECT main_protocol FROM metrics WHERE name = metric),
                finished_at DESC, run_id, protocol
        ) AS choice
    FROM results
    WHERE metric IN (:metrics)
        AND head IS NULL
        AND category IS NULL
        AND other_model IS NULL
        AND other_layer IS NULL
        AND COALESCE(model IN (:models), TRUE)
        AND COALESCE(dataset IN (:data), TRUE)
        AND COALESCE(layer IN (:layers), TRUE)
),
numbers AS (
    SELECT candidates.*, place FROM candidates JOIN wanted USING (metric) WHERE choice = 1
),
paired AS (
    SELECT
        x.model, x.family, x.supervision, x.arch, x.depth, x.dataset, x.split, x.setting, x.layer,
        x.metric, x.value, x.unit,
        y.metric AS other_metric, y.dataset AS other_dataset, y.value AS other_value, y.unit AS other_unit, y.place,
        MAX(x.dataset = y.dataset) OVER (PARTITION BY x.model, y.metric) AS shared
    FROM numbers AS x
    -- Without "likely" SQLite takes these for few rows, makes no index, and goes through all of them for each.
    JOIN numbers AS y ON x.model = y.model AND x.layer = y.layer AND likely(x.place = 0) AND likely(y.place > 0)
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, layer, metric, value, unit,
    other_metric, other_dataset, other_value, other_unit
FROM paired
WHERE dataset = other_dataset OR NOT shared
ORDER BY place, dataset, split, other_dataset, model, layer
