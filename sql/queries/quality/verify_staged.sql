-- The newest version that counts of each record: its body's hash (null: a tombstone), whether it is applied, its stamp.
SELECT DISTINCT ON (external_id)
    external_id, CASE WHEN jsonb_typeof(raw_data) <> 'null' THEN content_hash END, sync_status, gazelle_updated_at
FROM {staging}
WHERE rejected_at IS NULL AND external_id = ANY (%(ids)s)
ORDER BY external_id, fetched_at DESC
