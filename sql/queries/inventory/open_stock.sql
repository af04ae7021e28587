-- A row for each stock that is about to be counted and was never moved.
INSERT INTO inventory_stock (shop_product_id, technician_external_id, location)
SELECT DISTINCT coalesce(p.merged_into, p.id), one.technician, one.location
FROM unnest(%(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[]) AS one (product, technician, location)
INNER JOIN shop_products AS p ON p.id = one.product
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
