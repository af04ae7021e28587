SELECT external_id, coalesce(nullif(company_name, ''), display_name), first_name || ' ' || last_name
FROM gazelle_clients
WHERE deleted_at IS NULL AND NOT is_stub
