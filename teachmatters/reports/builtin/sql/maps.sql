/* Averaged maps: one array of all heads for each model and layer, and the shape of its grid of patches.
   An option that is not given is NULL and restricts nothing. */
WITH RECURSIVE numbers (head) AS (
    SELECT 1
    UNION ALL
    SELECT head + 1 FROM numbers WHERE head < 256
),
candidates AS (
    SELECT
        maps.*, runs.n_items AS n,
        -- Among the settings of a cell, the selected one comes first, then the newest.
        RANK() OVER (
            PARTITION BY maps.model, maps.dataset, maps.split, maps.analysis, maps.name
            ORDER BY CASE WHEN maps.setting = :setting THEN 0 ELSE 1 END, runs.finished_at DESC, maps.run_id
        ) AS choice
    FROM maps
    JOIN runs ON runs.run_id = maps.run_id
    WHERE maps.name IN (:metrics)
        AND COALESCE(maps.model IN (:models), TRUE)
        AND COALESCE(maps.dataset IN (:data), TRUE)
)
SELECT
    model,
    (SELECT family FROM results WHERE results.model = candidates.model LIMIT 1) AS family,
    (SELECT supervision FROM results WHERE results.model = candidates.model LIMIT 1) AS supervision,
    dataset, split, setting, analysis, name AS metric, layer, n, axes, shape,
    (
        SELECT pure.shape FROM maps AS pure
        WHERE pure.model = candidates.model AND pure.dataset = candidates.dataset AND pure.name = 'attn-map-spatial-pure'
        LIMIT 1
    ) AS grid,
    data
FROM candidates
WHERE choice = 1
    AND axes IN ('head,token', 'head,y,x')
    AND COALESCE(layer IN (:layers), TRUE)
    -- Layers with at least one of the selected heads, which are cut out of the arrays afterwards.
    AND EXISTS (
        SELECT 1 FROM numbers
        WHERE COALESCE(head IN (:heads), TRUE)
            -- The first number of the shape.
            AND head <= CAST(
                CASE axes
                    WHEN 'head,token' THEN rtrim(rtrim(shape, '0123456789'), ',')
                    WHEN 'head,y,x' THEN rtrim(rtrim(rtrim(rtrim(shape, '0123456789'), ','), '0123456789'), ',')
                    ELSE '0'
                END AS INTEGER
            )
    )
ORDER BY metric, dataset, split, model, layer
