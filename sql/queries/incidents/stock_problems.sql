-- Invoices that use materials, and no stock follows them: id, number, why.
SELECT p.invoice_external_id, coalesce(v.number::text, p.invoice_external_id), p.problem
FROM inventory_problems AS p
LEFT JOIN gazelle_invoices AS v ON v.external_id = p.invoice_external_id
ORDER BY v.number, 1
