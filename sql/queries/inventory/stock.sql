-- What there is of each material, by whose it is and where. The last: how much of it the person has in all places.
SELECT
    p.id, p.sku, p.product_external_id, coalesce(p.name_fr, g.name_fr), coalesce(p.name_en, g.name_en), p.unit, p.active,
    s.technician_external_id, nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''), s.location,
    s.quantity, s.reorder_threshold,
    sum(s.quantity) OVER (PARTITION BY s.shop_product_id, s.technician_external_id) AS in_all
FROM inventory_stock AS s
INNER JOIN shop_products AS p ON p.id = s.shop_product_id
LEFT JOIN gazelle_products AS g ON g.external_id = p.product_external_id
LEFT JOIN gazelle_users AS u ON u.external_id = s.technician_external_id
WHERE (%(product)s::bigint IS NULL OR p.id = %(product)s::bigint)
    AND (%(technician)s::text IS NULL OR s.technician_external_id = %(technician)s::text)
    AND (p.merged_into IS NULL OR s.quantity <> 0)
ORDER BY coalesce(p.sku, p.product_external_id, p.id::text), s.technician_external_id, s.location
