-- A record with living nested rows that is not among those in doubt.
SELECT {owner}
FROM {table}
WHERE deleted_at IS NULL AND {owner} <> ALL (%s) AND NOT starts_with(external_id, 'v4_')
LIMIT 1
