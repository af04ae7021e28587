-- Until when an action for another record that makes the same thing may still arrive.
SELECT max(doubt_until)
FROM sync_gazelle_logs
WHERE status = 'in_doubt' AND entity = %(entity)s AND piano_id <> %(record)s AND request ->> 'shared' = %(shared)s
    AND doubt_until > clock_timestamp()
    AND (run_id IS DISTINCT FROM %(run_id)s OR error_message IS DISTINCT FROM %(sending)s)
