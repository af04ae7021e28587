SELECT external_id, make, serial_number, location
FROM gazelle_pianos
WHERE client_external_id = %(client)s AND deleted_at IS NULL AND NOT is_stub
