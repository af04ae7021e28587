-- The lines of an invoice.
SELECT
    l.description, l.quantity, l.amount, l.sub_total, l.tax_total, l.total, l.piano_external_id,
    nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.model, ''), nullif(p.serial_number, '')), '')
FROM gazelle_invoice_items AS l
LEFT JOIN gazelle_pianos AS p ON p.external_id = l.piano_external_id
WHERE l.invoice_external_id = %(id)s AND l.deleted_at IS NULL
ORDER BY l.sequence_number, l.external_id
