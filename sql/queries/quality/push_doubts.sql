-- What was sent and of which nobody knows whether it arrived: the record, the action, and for how many minutes that could
-- have been found out.
SELECT piano_id, action, extract(epoch FROM clock_timestamp() - coalesce(doubt_until, synced_at)) / 60
FROM sync_gazelle_logs
WHERE status = 'in_doubt' AND coalesce(doubt_until, synced_at) < clock_timestamp()
ORDER BY 3 DESC, id
