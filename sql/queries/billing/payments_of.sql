-- What was paid on an invoice, in the order in which it was paid.
SELECT
    p.external_id, p.invoice_external_id, i.number, coalesce(c.display_name, c.company_name, c.external_id), p.type,
    p.amount, coalesce(p.tip, 0), coalesce(p.paid_at, p.gazelle_created_at), p.notes
FROM gazelle_invoice_payments AS p
INNER JOIN gazelle_invoices AS i ON i.external_id = p.invoice_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = i.client_external_id
WHERE p.invoice_external_id = %(invoice)s AND p.deleted_at IS NULL AND p.status = 'SUCCEEDED'
ORDER BY coalesce(p.paid_at, p.gazelle_created_at), p.id
