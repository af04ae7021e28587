-- What Gazelle has of invoices that were made here, as the last pull brought it.
SELECT i.external_id, i.number, i.status, i.sub_total, i.tax_total, i.total, i.paid_total, i.due_total, i.due_on
FROM gazelle_invoices AS i
WHERE i.external_id = ANY (%(invoices)s)
