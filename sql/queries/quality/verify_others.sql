-- Living records that are not among some.
SELECT external_id
FROM {table}
WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_') AND NOT external_id = ANY (%(ids)s)
