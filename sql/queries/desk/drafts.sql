-- Drafts of invoices that nobody has canceled and that Gazelle does not have, or not all of; those changed last first.
SELECT
    d.id, d.client_external_id, coalesce(c.display_name, d.client_external_id), d.status, d.due_on, d.total, d.updated_at,
    d.updated_by, d.sync_error, coalesce(d.needs_sync, false)
FROM invoice_drafts AS d
LEFT JOIN gazelle_clients AS c ON c.external_id = d.client_external_id
WHERE d.status IN ('draft', 'ready', 'held') OR (d.status = 'sent' AND coalesce(d.needs_sync, false))
ORDER BY d.updated_at DESC NULLS LAST, d.id DESC
LIMIT 200
