-- Set those bodies aside: they are not held, not applied, not replayed, and their records are read again.
UPDATE {staging} AS s
SET sync_status = 'error', rejected_at = now(), processed_at = now(), error_message = %(message)s
FROM {table} AS held
WHERE s.external_id = held.external_id
    AND s.sync_status = 'pending'
    AND s.raw_data -> %(field)s = '[]'::jsonb
    AND held.deleted_at IS NULL
    AND (cardinality(held.{base}) > 0 OR (held.{base} IS NULL AND cardinality(held.{merged}) > 0))
