-- What was decided here about some visits at Gazelle, and is not there yet.
SELECT appointment_external_id, action, sync_error
FROM appointment_drafts
WHERE appointment_external_id = ANY(%(ids)s) AND status IN ('ready', 'held')
ORDER BY id
