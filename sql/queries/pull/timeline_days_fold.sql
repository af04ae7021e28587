-- Fold the rows of each day into one. Rows that others add meanwhile stay as they are.
WITH taken AS (
    DELETE FROM sync_timeline_days
    WHERE day IN (SELECT day FROM sync_timeline_days GROUP BY day HAVING count(*) > 1 OR sum(entries) = 0)
    RETURNING day, entries
)
INSERT INTO sync_timeline_days (day, entries)
SELECT day, sum(entries) FROM taken GROUP BY day HAVING sum(entries) <> 0
