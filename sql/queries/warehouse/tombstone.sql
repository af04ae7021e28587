-- Mark records as deleted that no longer exist at Gazelle. They keep their data; one without a row becomes a stub.
INSERT INTO {table} AS held (external_id, is_stub, deleted_at)
SELECT gone.external_id, true, gone.deleted_at
FROM unnest(%(ids)s::text[], %(instants)s::timestamptz[]) AS gone (external_id, deleted_at)
ON CONFLICT (external_id) DO UPDATE SET deleted_at = EXCLUDED.deleted_at, synced_at = now()
WHERE held.deleted_at IS DISTINCT FROM EXCLUDED.deleted_at
