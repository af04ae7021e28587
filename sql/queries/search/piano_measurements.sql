-- What was measured at a piano, the newest first.
SELECT taken_on, humidity, temperature, a4_pitch
FROM gazelle_piano_measurements
WHERE piano_external_id = %(id)s AND deleted_at IS NULL AND taken_on IS NOT NULL
ORDER BY taken_on DESC, external_id
LIMIT 60
