-- The contacts of a client.
SELECT external_id FROM gazelle_contacts WHERE client_external_id = %(client)s AND deleted_at IS NULL AND NOT is_stub
