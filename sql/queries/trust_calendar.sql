-- Every living appointment beside what the Montreal view shows of it.
SELECT
    a.external_id, a.start_at, coalesce(a.is_all_day, false), v.external_id IS NOT NULL,
    v.starts_at_montreal, v.date_montreal, v.time_montreal
FROM gazelle_appointments AS a
LEFT JOIN v_appointments_montreal AS v USING (external_id)
WHERE a.deleted_at IS NULL AND NOT a.is_stub
