-- How many rows a table holds of those that {{where}} names, and whether that is an estimate: a table of 100,000 rows or more
-- is not counted unless exactly. The estimate is as the planner makes it, by the pages that there are now; of a table that
-- was never analyzed, by rows of 150 bytes.
SELECT
    CASE WHEN %(exactly)s OR about.rows < 100000 THEN (SELECT count(*) FROM {table} WHERE {where}) ELSE about.rows END,
    NOT %(exactly)s AND about.rows >= 100000
FROM (
    SELECT
        (
            CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages ELSE 54 END
            * pg_relation_size(oid) / current_setting('block_size')::integer
        )::bigint AS rows
    FROM pg_catalog.pg_class
    WHERE oid = %(table)s::regclass
) AS about
