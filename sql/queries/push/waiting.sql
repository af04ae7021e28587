-- Rows that are not at Gazelle yet, and why.
SELECT
    {t_key}, {hidden}, t.sync_error, t.sync_attempts,
    CASE WHEN t.next_attempt_at BETWEEN '0002-01-01' AND '9998-01-01' THEN t.next_attempt_at END,
    EXISTS (
        SELECT FROM sync_gazelle_logs AS l
        WHERE l.piano_id = {t_key} AND l.entity = %(entity)s AND l.status = 'in_doubt'
    )
FROM {table} AS t
WHERE (t.needs_sync OR t.sync_error IS NOT NULL) AND (%(keys)s::text[] IS NULL OR {t_key} = ANY (%(keys)s::text[]))
ORDER BY t.sync_error IS NULL, t.updated_at, {t_key}
