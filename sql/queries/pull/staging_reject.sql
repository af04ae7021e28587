-- Set bodies aside: they are not held, not applied, not replayed, and their records are read again. What each run reads
-- again while the fault lasts is kept once.
WITH set_aside AS (
    UPDATE {staging} AS s
    SET sync_status = 'error', rejected_at = now(), processed_at = now(), error_message = said.message
    FROM unnest(%(ids)s::uuid[], %(messages)s::text[]) AS said (id, message)
    WHERE s.id = said.id
    RETURNING s.external_id, s.content_hash, s.fetched_at
)
DELETE FROM {staging} AS older
USING set_aside
WHERE older.external_id = set_aside.external_id
    AND older.content_hash = set_aside.content_hash
    AND older.fetched_at < set_aside.fetched_at
    AND older.rejected_at IS NOT NULL
