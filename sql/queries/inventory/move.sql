-- Movements, in the order of the stock's rows; NULL for who made them means the login.
INSERT INTO inventory_movements (shop_product_id, technician_external_id, location, delta, kind, reason, made_by)
SELECT product, technician, location, delta, %(kind)s, %(reason)s, coalesce(%(made_by)s, session_user)
FROM unnest(%(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[], %(deltas)s::numeric[])
    AS one (product, technician, location, delta)
ORDER BY one.product, one.technician COLLATE "C", one.location COLLATE "C"
RETURNING shop_product_id, technician_external_id, location, quantity_before, quantity_after
