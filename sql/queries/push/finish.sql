-- Gazelle has everything. An edit made meanwhile (another revision) stays due. A row that was only looked at, because
-- the pull saw its record differ, is not looked at again at once: the pull may be a while behind.
UPDATE {table}
SET needs_sync = coalesce(needs_sync, false) AND revision <> %(revision)s,
    last_synced_at = CASE WHEN needs_sync THEN clock_timestamp() ELSE last_synced_at END,
    sync_error = NULL,
    sync_attempts = 0,
    next_attempt_at = CASE WHEN needs_sync THEN NULL ELSE clock_timestamp() + interval '5 minutes' END,
    base = CASE WHEN jsonb_typeof(base) = 'object' THEN base ELSE '{{}}' END || jsonb_build_object('remote', %(remote)s::jsonb)
WHERE {key} = %(record)s
