-- Drafts, each with its lines, all of one moment.
SELECT
    d.id, d.client_external_id, d.contact_external_id, d.status, d.external_id, d.due_on, d.net_days, d.notes, d.top_notes,
    d.tags, d.sub_total, d.tax_total, d.total, d.lines, d.xmin::text, d.gazelle_sub_total, d.gazelle_tax_total,
    d.gazelle_total, d.sync_error, coalesce(d.needs_sync, false), d.email_status
FROM invoice_drafts AS d
WHERE d.id = ANY (%(drafts)s)
ORDER BY d.id
