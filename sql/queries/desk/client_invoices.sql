-- The newest invoices of a client.
SELECT external_id, number, invoice_date, status, total, due_total
FROM gazelle_invoices
WHERE client_external_id = %(id)s AND deleted_at IS NULL
ORDER BY invoice_date DESC NULLS LAST, number DESC
LIMIT 20
