-- Living timeline entries of a stretch of time, closed at the start and open at the end, that are not among some.
SELECT held.external_id, held.occurred_at
FROM gazelle_timeline_entries AS held
LEFT JOIN unnest(%(ids)s::text[]) AS listed (external_id) ON listed.external_id = held.external_id
WHERE held.deleted_at IS NULL
    AND NOT held.is_stub
    AND NOT starts_with(held.external_id, 'v4_')
    AND held.occurred_at >= coalesce(%(start)s::timestamptz, '-infinity')
    AND held.occurred_at < coalesce(%(end)s::timestamptz, 'infinity')
    AND listed.external_id IS NULL
