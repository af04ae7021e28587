-- An invoice.
SELECT
    i.external_id, i.number, i.invoice_date, i.due_on, i.status, i.sub_total, i.tax_total, i.total, i.paid_total,
    i.due_total, i.top_notes, i.notes, i.client_external_id, c.display_name,
    nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''), i.deleted_at, d.id
FROM gazelle_invoices AS i
LEFT JOIN gazelle_clients AS c ON c.external_id = i.client_external_id
LEFT JOIN gazelle_users AS u ON u.external_id = i.assigned_to_external_id
LEFT JOIN invoice_drafts AS d ON d.external_id = i.external_id
WHERE i.external_id = %(id)s
