-- How many living appointments there are, how many of them do not last all day, how many rows the Montreal view shows,
-- and between which instants they lie.
SELECT
    count(*), count(*) FILTER (WHERE is_all_day IS NOT TRUE), (SELECT count(*) FROM v_appointments_montreal), min(start_at), max(start_at)
FROM gazelle_appointments
WHERE deleted_at IS NULL AND NOT is_stub
