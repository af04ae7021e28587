-- Gazelle has everything. The rows are locked before (`lock.sql`), so nobody asks for another try between the two parts.
-- An edit made meanwhile (another revision) stays due. A row that was only looked at, because
-- the pull saw its record differ, is not looked at again at once: the pull may be a while behind. What the record says is
-- kept as a digest, for comparison with what the pull brings.
WITH done AS (
    SELECT * FROM jsonb_to_recordset(%(given)s) AS d (local_id text, record text, revision bigint, remote jsonb, holds jsonb)
),
state AS (
    UPDATE push_state AS s
    SET attempts = 0,
        last_error = NULL,
        next_attempt_at = CASE WHEN t.needs_sync THEN NULL ELSE clock_timestamp() + interval '5 minutes' END,
        base = CASE WHEN jsonb_typeof(s.base) = 'object' THEN s.base ELSE '{{}}' END || jsonb_build_object(
            'remote', done.remote || jsonb_build_object('digest', md5(done.holds::text))
        )
    FROM done
    INNER JOIN {table} AS t ON {local} = done.local_id
    WHERE s.source_table = {source} AND s.local_id = done.local_id AND s.external_id IS NOT DISTINCT FROM done.record
    RETURNING s.local_id, s.revision <> done.revision AS is_edited
)
UPDATE {table} AS t
SET needs_sync = coalesce(t.needs_sync, false) AND state.is_edited,
    last_synced_at = CASE WHEN t.needs_sync THEN clock_timestamp() ELSE t.last_synced_at END,
    sync_error = NULL
FROM state
WHERE {local} = state.local_id
