-- Living timeline entries that production holds and that a complete read did not list.
-- The ids are compared as sets. With NOT EXISTS, PostgreSQL 15 and older take what is staged for one row, whatever the
-- statistics say, and compare every version with every id that was seen.
WITH unseen AS MATERIALIZED (
    SELECT external_id
    FROM gazelle_timeline_entries
    WHERE deleted_at IS NULL
        AND NOT is_stub
        AND NOT starts_with(external_id, 'v4_')
        AND occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
    EXCEPT
    SELECT external_id FROM seen
),
-- Where everything was read: also those whose row somebody removed here, or is marked deleted while staging lost the
-- tombstone. They would live again from what is staged.
removed AS MATERIALIZED (
    SELECT external_id FROM staging_timeline WHERE %(since)s::timestamptz IS NULL
    EXCEPT
    SELECT external_id FROM seen
    EXCEPT
    SELECT external_id FROM gazelle_timeline_entries WHERE deleted_at IS NULL
)
SELECT p.external_id, p.occurred_at
FROM unseen
JOIN gazelle_timeline_entries AS p USING (external_id)
UNION ALL
SELECT removed.external_id, (newest.raw_data ->> 'occurredAt')::timestamptz
FROM removed
CROSS JOIN LATERAL (
    SELECT s.raw_data, s.sync_status
    FROM staging_timeline AS s
    WHERE s.external_id = removed.external_id AND s.rejected_at IS NULL
    ORDER BY s.fetched_at DESC
    LIMIT 1
) AS newest
WHERE newest.sync_status = 'processed'
    AND jsonb_typeof(newest.raw_data) = 'object'
    AND NOT starts_with(removed.external_id, 'without-id-')
    AND newest.raw_data ->> 'occurredAt' ~ E'^\\d{4}-\\d\\d-\\d\\dT'
