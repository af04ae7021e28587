-- Rows of a table that only an older system knew, and Gazelle's own rows of the same records: by the id that the older
-- system had of them, then by a strict key that exactly one row of each side has.
WITH old AS (
    SELECT external_id, id, {key} AS key
    FROM {table}
    WHERE starts_with(external_id, 'v4_')
),
by_id AS (
    SELECT DISTINCT ON (old.external_id) old.external_id AS old_id, theirs.external_id AS new_id, old.id
    FROM old
    INNER JOIN staging_import AS s ON s.external_id = old.external_id AND s.gazelle_id IS NOT NULL
    INNER JOIN {table} AS theirs ON theirs.external_id = s.gazelle_id AND NOT theirs.is_stub
    ORDER BY old.external_id, theirs.external_id
),
by_key AS (
    SELECT min(old.external_id) AS old_id, min(theirs.external_id) AS new_id, min(old.id) AS id
    FROM old
    INNER JOIN (
        SELECT external_id, {key} AS key
        FROM {table}
        WHERE NOT starts_with(external_id, 'v4_') AND NOT is_stub AND deleted_at IS NULL
            AND EXISTS (SELECT FROM old)
    ) AS theirs ON theirs.key = old.key
    WHERE old.external_id NOT IN (SELECT old_id FROM by_id)
    GROUP BY old.key
    HAVING count(DISTINCT old.external_id) = 1 AND count(DISTINCT theirs.external_id) = 1
)
SELECT old_id, new_id, id FROM by_id
UNION ALL
SELECT old_id, new_id, id FROM by_key
