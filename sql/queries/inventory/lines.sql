-- The lines that rules may concern, of all invoices or of some. NULL for the services and the first day: those of the rules.
SELECT
    i.invoice_external_id, v.status, v.invoice_date, v.assigned_to_external_id, i.product_external_id,
    i.piano_external_id, i.sequence_number, i.quantity, i.description,
    i.deleted_at IS NOT NULL OR v.deleted_at IS NOT NULL
FROM gazelle_invoice_items AS i
INNER JOIN gazelle_invoices AS v ON v.external_id = i.invoice_external_id
WHERE i.product_external_id = ANY (
        coalesce(%(services)s::text[], ARRAY(SELECT service_external_id FROM consumption_rules))
    )
    AND v.invoice_date >= coalesce(%(first_day)s::date, (SELECT min(valid_from) FROM consumption_rules))
    AND (%(invoices)s::text[] IS NULL OR v.external_id = ANY (%(invoices)s::text[]))
