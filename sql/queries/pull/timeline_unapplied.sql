-- Newest staged versions of timeline entries that stage 2 has not applied (or could not), beside what production says: the
-- next so many in the order of their ids. Production is asked entry by entry: joined, it might be scanned.
SELECT
    s.external_id,
    (
        SELECT p.occurred_at
        FROM gazelle_timeline_entries AS p
        WHERE p.external_id = s.external_id AND p.deleted_at IS NULL AND NOT p.is_stub
    ),
    jsonb_typeof(s.raw_data) <> 'null',
    CASE WHEN jsonb_typeof(s.raw_data) = 'object' THEN s.raw_data ->> 'occurredAt' END
FROM staging_timeline AS s
WHERE s.sync_status <> 'processed'
    AND s.rejected_at IS NULL
    AND s.external_id > %(after)s
    AND NOT starts_with(s.external_id, 'without-id-')
    AND NOT EXISTS (
        SELECT FROM staging_timeline AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
ORDER BY s.external_id
LIMIT %(most)s
