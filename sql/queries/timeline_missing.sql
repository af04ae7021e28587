-- Living timeline entries that production holds and that a complete read did not list.
SELECT p.external_id, p.occurred_at
FROM gazelle_timeline_entries AS p
WHERE p.deleted_at IS NULL
    AND NOT p.is_stub
    AND p.occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
    AND NOT EXISTS (SELECT FROM seen WHERE seen.external_id = p.external_id)
UNION ALL
-- Where everything was read: also those whose row somebody removed here, which would be made again from what is staged.
SELECT s.external_id, (s.raw_data ->> 'occurredAt')::timestamptz
FROM staging_timeline AS s
WHERE %(since)s::timestamptz IS NULL
    AND s.sync_status = 'processed'
    AND s.rejected_at IS NULL
    AND jsonb_typeof(s.raw_data) = 'object'
    AND NOT starts_with(s.external_id, 'without-id-')
    AND s.raw_data ->> 'occurredAt' ~ E'^\\d{4}-\\d\\d-\\d\\dT'
    AND NOT EXISTS (SELECT FROM seen WHERE seen.external_id = s.external_id)
    AND NOT EXISTS (SELECT FROM gazelle_timeline_entries AS p WHERE p.external_id = s.external_id)
    AND NOT EXISTS (
        SELECT FROM staging_timeline AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
