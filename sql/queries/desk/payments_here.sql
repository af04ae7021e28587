-- Payments of an invoice that were entered here and that the last pull has not brought back.
SELECT w.id, w.amount, w.tip, w.type, w.paid_at, w.updated_by, w.sync_error, w.external_id IS NOT NULL
FROM invoice_draft_payments AS w
WHERE w.invoice_external_id = %(invoice)s
    AND NOT EXISTS (SELECT FROM gazelle_invoice_payments AS p WHERE p.external_id = w.external_id)
ORDER BY w.paid_at, w.id
