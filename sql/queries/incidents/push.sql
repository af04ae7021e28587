-- Failed push actions of the runs that did something within the last hour, by run: those of that hour, and all. Beside
-- them how many changes they are: one may be tried several times.
WITH failed AS (
    SELECT run_id, piano_id, action, synced_at > now() - interval '1 hour' AS is_recent
    FROM sync_gazelle_logs
    WHERE status = 'error'
        AND (
            synced_at > now() - interval '1 hour'
            OR run_id IN (SELECT run_id FROM sync_gazelle_logs WHERE synced_at > now() - interval '1 hour')
        )
)
SELECT run_id, count(*) FILTER (WHERE is_recent), count(*), (SELECT count(DISTINCT (piano_id, action)) FROM failed)
FROM failed
GROUP BY run_id
