-- What was counted, as the difference to what the stock is now.
INSERT INTO inventory_movements (shop_product_id, technician_external_id, location, delta, kind, reason, made_by)
SELECT
    s.shop_product_id, s.technician_external_id, s.location, one.counted - s.quantity, 'count', %(reason)s,
    coalesce(%(made_by)s, session_user)
FROM unnest(%(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[], %(counted)s::numeric[])
    AS one (product, technician, location, counted)
INNER JOIN shop_products AS p ON p.id = one.product
INNER JOIN inventory_stock AS s
    ON (s.shop_product_id, s.technician_external_id, s.location)
    = (coalesce(p.merged_into, p.id), one.technician, one.location)
ORDER BY s.shop_product_id, one.technician COLLATE "C", one.location COLLATE "C"
RETURNING shop_product_id, technician_external_id, location, quantity_before, quantity_after
