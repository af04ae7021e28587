-- Living appointments of which the Montreal view does not show what the given offsets of Montreal's clock come to (seconds
-- from UTC, each from its instant on), beside what it shows; and those before the first offset or after the last.
SELECT
    a.external_id, a.start_at, coalesce(a.is_all_day, false), v.external_id IS NOT NULL,
    v.starts_at_montreal, v.date_montreal, v.time_montreal
FROM gazelle_appointments AS a
LEFT JOIN v_appointments_montreal AS v USING (external_id)
CROSS JOIN LATERAL (
    SELECT
        width_bucket(a.start_at, %(since)s::timestamptz[]) AS place
) AS span
CROSS JOIN LATERAL (
    SELECT (a.start_at AT TIME ZONE 'UTC') + make_interval(secs => (%(offsets)s::integer[])[span.place]) AS local
) AS wall_clock
WHERE a.deleted_at IS NULL
    AND NOT a.is_stub
    AND (
        span.place IN (0, cardinality(%(since)s::timestamptz[]))
        OR v.external_id IS NULL
        OR v.starts_at_montreal IS DISTINCT FROM wall_clock.local
        OR v.date_montreal IS DISTINCT FROM wall_clock.local::date
        OR v.time_montreal IS DISTINCT FROM CASE WHEN a.is_all_day IS NOT TRUE THEN wall_clock.local::time END
    )
