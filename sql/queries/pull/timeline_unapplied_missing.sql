-- Entries whose newest version waits for stage 2 (or is in error), and that a complete read did not list.
-- As sets, for the reason that timeline_missing.sql gives: after a first run that was killed, everything waits.
WITH unseen AS MATERIALIZED (
    SELECT external_id FROM staging_timeline WHERE sync_status <> 'processed' AND rejected_at IS NULL
    EXCEPT
    SELECT external_id FROM seen
)
SELECT unseen.external_id, newest.raw_data ->> 'occurredAt', newest.fetched_at
FROM unseen
CROSS JOIN LATERAL (
    SELECT s.raw_data, s.sync_status, s.fetched_at
    FROM staging_timeline AS s
    WHERE s.external_id = unseen.external_id AND s.rejected_at IS NULL
    ORDER BY s.fetched_at DESC
    LIMIT 1
) AS newest
WHERE newest.sync_status <> 'processed'
    AND jsonb_typeof(newest.raw_data) = 'object'
    AND NOT starts_with(unseen.external_id, 'without-id-')
