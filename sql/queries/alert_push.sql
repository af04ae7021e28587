-- Failed push actions of the last hour, by run.
SELECT run_id, count(*)
FROM sync_gazelle_logs
WHERE status = 'error' AND synced_at > now() - interval '1 hour'
GROUP BY run_id
