-- What was taken for the lines of invoices so far, what came back being subtracted. What was taken of a product that was
-- merged into another was taken of that one.
SELECT
    m.invoice_external_id, m.line_key, coalesce(p.merged_into, p.id) AS shop_product_id, m.technician_external_id, m.location,
    -sum(m.delta) AS quantity
FROM inventory_movements AS m
INNER JOIN shop_products AS p ON p.id = m.shop_product_id
WHERE m.invoice_external_id IS NOT NULL
    AND m.line_key IS NOT NULL
    AND m.kind IN ('consumption', 'return')
    AND (%(invoices)s::text[] IS NULL OR m.invoice_external_id = ANY (%(invoices)s::text[]))
GROUP BY 1, 2, 3, 4, 5
HAVING sum(m.delta) <> 0
