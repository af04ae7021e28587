-- A row for each stock that is about to be counted and was never moved.
INSERT INTO inventory_stock (shop_product_id, technician_external_id, location)
SELECT DISTINCT product, technician, location
FROM unnest(%(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[]) AS one (product, technician, location)
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
