-- Living timeline entries that production holds and that a complete read did not list.
SELECT p.external_id, p.occurred_at
FROM gazelle_timeline_entries AS p
WHERE p.deleted_at IS NULL
    AND NOT p.is_stub
    AND p.occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
    AND NOT EXISTS (SELECT FROM seen WHERE seen.external_id = p.external_id)
