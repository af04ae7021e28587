-- Failed push actions of the last hour by run, and beside them how many changes these are: one may be tried several times.
WITH failed AS (
    SELECT run_id, piano_id, action
    FROM sync_gazelle_logs
    WHERE status = 'error' AND synced_at > now() - interval '1 hour'
)
SELECT run_id, count(*), (SELECT count(DISTINCT (piano_id, action)) FROM failed)
FROM failed
GROUP BY run_id
