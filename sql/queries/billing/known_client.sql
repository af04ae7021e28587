-- The client of a draft: its name, and whether Gazelle has it.
SELECT coalesce(c.display_name, c.company_name, c.external_id), c.deleted_at IS NULL AND NOT c.is_stub
FROM gazelle_clients AS c
WHERE c.external_id = %(client)s
