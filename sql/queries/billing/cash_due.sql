-- Whether the digest of the last 18:00 in Montreal is still to be told, and there is something to tell.
SELECT EXISTS (
    SELECT
    FROM gazelle_invoice_payments AS p
    INNER JOIN gazelle_invoices AS i ON i.external_id = p.invoice_external_id AND i.deleted_at IS NULL
    WHERE p.deleted_at IS NULL
        AND p.status = 'SUCCEEDED'
        AND NOT starts_with(p.external_id, 'v4_')
        AND coalesce(p.paid_at, p.gazelle_created_at) > %(since)s
        AND NOT EXISTS (SELECT FROM cash_told AS t WHERE t.payment_external_id = p.external_id)
) AND NOT EXISTS (SELECT FROM cash_told WHERE day = %(day)s)
