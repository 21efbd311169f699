/* Two metrics of the same layers, or heads: the first selected one against each of the others, on a data set that both
   have, else on the data set of each. An option that is not given is NULL and restricts nothing. */
WITH RECURSIVE wanted (metric, place) AS (
    VALUES :metric_places
    -- Adds no rows. Without it, SQLite would not build an index for so few rows, and scan all numbers for each number.
    UNION ALL
    SELECT metric, place FROM wanted WHERE FALSE
),
candidates AS (
    SELECT
        results.*,
        -- Of a cell's settings the selected one comes first, then the first declared protocol, then the newest.
        RANK() OVER (
            PARTITION BY model, dataset, split, analysis, metric
            ORDER BY
                CASE WHEN setting = :setting THEN 0 ELSE 1 END,
                COALESCE(protocol, '') NOT IN (SELECT main_protocol FROM metrics WHERE name = metric),
                finished_at DESC, run_id, protocol NULLS FIRST
        ) AS choice
    FROM results
    WHERE metric IN (:metrics)
        AND CASE WHEN COALESCE(:by, '') = 'head' THEN head IS NOT NULL ELSE head IS NULL END
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
        x.model, x.family, x.supervision, x.arch, x.depth, x.dataset, x.split, x.setting, x.layer, x.head,
        x.metric, x.value, x.unit,
        y.metric AS other_metric, y.dataset AS other_dataset, y.setting AS other_setting, y.value AS other_value, y.unit AS other_unit, y.place,
        MAX(CASE WHEN x.dataset = y.dataset THEN 1 ELSE 0 END) OVER (PARTITION BY x.model, y.metric) AS shared
    FROM numbers AS x
    JOIN numbers AS y ON x.model = y.model AND x.layer = y.layer AND COALESCE(x.head, 0) = COALESCE(y.head, 0)
        AND x.place = 0 AND y.place > 0
)
SELECT
    model, family, supervision, arch, depth, dataset, split, setting, layer, head, metric, value, unit,
    other_metric, other_dataset, other_setting, other_value, other_unit
FROM paired
WHERE dataset = other_dataset OR shared = 0
ORDER BY place, dataset, split, other_dataset, model, layer, head
