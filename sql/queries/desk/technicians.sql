-- Those to whom Gazelle gives visits.
SELECT external_id, coalesce(nullif(concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')), ''), external_id)
FROM gazelle_users
WHERE deleted_at IS NULL AND status = 'ACTIVE' AND is_schedulable
ORDER BY 2, 1
