-- Pianos that lines name, and whose they are.
SELECT external_id, client_external_id
FROM gazelle_pianos
WHERE external_id = ANY (%(pianos)s) AND deleted_at IS NULL AND NOT is_stub
