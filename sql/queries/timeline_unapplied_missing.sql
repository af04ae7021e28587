-- Entries whose newest version waits for stage 2 (or is in error), and that a complete read did not list.
SELECT s.external_id, s.raw_data ->> 'occurredAt'
FROM staging_timeline AS s
WHERE s.sync_status <> 'processed'
    AND s.rejected_at IS NULL
    AND jsonb_typeof(s.raw_data) = 'object'
    AND NOT starts_with(s.external_id, 'without-id-')
    AND NOT EXISTS (SELECT FROM seen WHERE seen.external_id = s.external_id)
    AND NOT EXISTS (
        SELECT FROM staging_timeline AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
