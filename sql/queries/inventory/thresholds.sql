-- From which quantity down a material is to be ordered; NULL leaves it as it is.
UPDATE inventory_stock AS s
SET reorder_threshold = one.threshold
FROM unnest(%(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[], %(thresholds)s::numeric[])
    AS one (product, technician, location, threshold)
INNER JOIN shop_products AS p ON p.id = one.product
WHERE (s.shop_product_id, s.technician_external_id, s.location)
    = (coalesce(p.merged_into, p.id), one.technician, one.location)
    AND s.reorder_threshold IS DISTINCT FROM one.threshold
    AND one.threshold IS NOT NULL
