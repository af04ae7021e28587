-- The living timeline entries of a stretch of time, closed at the start and open at the end.
SELECT external_id, occurred_at
FROM gazelle_timeline_entries
WHERE deleted_at IS NULL
    AND NOT is_stub
    AND NOT starts_with(external_id, 'v4_')
    AND occurred_at >= coalesce(%(start)s::timestamptz, '-infinity')
    AND occurred_at < coalesce(%(end)s::timestamptz, 'infinity')
