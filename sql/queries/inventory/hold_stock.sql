-- Holds the stocks that are about to be counted, in the order in which all who write many take their locks: what the count
-- is compared with does not change any more until the transaction ends.
SELECT
FROM inventory_stock AS s
INNER JOIN unnest(%(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[])
    AS one (product, technician, location)
    ON (one.technician, one.location) = (s.technician_external_id, s.location)
INNER JOIN shop_products AS p ON p.id = one.product AND coalesce(p.merged_into, p.id) = s.shop_product_id
ORDER BY s.shop_product_id, one.technician COLLATE "C", one.location COLLATE "C"
FOR UPDATE OF s
