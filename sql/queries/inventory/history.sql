-- The newest movements, of a material, a person or an invoice (by its id or its number).
SELECT
    m.id, m.occurred_at, coalesce(p.sku, p.product_external_id, '#' || p.id), coalesce(p.name_fr, g.name_fr),
    coalesce(p.name_en, g.name_en), m.technician_external_id,
    nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''), m.location, m.kind, m.delta,
    m.quantity_before, m.quantity_after, m.reason, m.made_by, m.invoice_external_id, v.number
FROM inventory_movements AS m
INNER JOIN shop_products AS p ON p.id = m.shop_product_id
LEFT JOIN gazelle_products AS g ON g.external_id = p.product_external_id
LEFT JOIN gazelle_users AS u ON u.external_id = m.technician_external_id
LEFT JOIN gazelle_invoices AS v ON v.external_id = m.invoice_external_id
WHERE (%(product)s::bigint IS NULL OR p.id = %(product)s::bigint)
    AND (%(technician)s::text IS NULL OR m.technician_external_id = %(technician)s::text)
    AND (%(invoice)s::text IS NULL OR %(invoice)s::text IN (m.invoice_external_id, v.number::text))
ORDER BY m.id DESC
LIMIT %(limit)s
