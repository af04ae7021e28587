-- A record with living nested rows that is not among those in doubt.
SELECT {owner}
FROM {table}
WHERE deleted_at IS NULL AND {owner} <> ALL (%s)
LIMIT 1
