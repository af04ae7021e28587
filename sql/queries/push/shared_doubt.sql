-- Until when an action for another record that makes the same thing may still arrive.
SELECT l.request ->> 'shared', l.piano_id, max(l.doubt_until)
FROM sync_gazelle_logs AS l
WHERE l.status = 'in_doubt' AND l.source_table = {source} AND l.request ->> 'shared' = ANY (%(shared)s::text[])
    AND l.doubt_until > clock_timestamp()
    AND (l.run_id IS DISTINCT FROM %(run_id)s OR l.error_message IS DISTINCT FROM %(sending)s)
GROUP BY 1, 2
