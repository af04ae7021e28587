-- The pianos of a client, in the order of rooms.
SELECT
    external_id, nullif(concat_ws(' ', nullif(make, ''), nullif(model, '')), ''), nullif(serial_number, ''),
    nullif(location, ''), status
FROM gazelle_pianos
WHERE client_external_id = %(id)s AND deleted_at IS NULL
ORDER BY location, make, serial_number, external_id
LIMIT 500
