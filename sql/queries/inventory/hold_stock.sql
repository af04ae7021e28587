-- Holds the stocks that are about to be counted, in the order in which all who write many take their locks: what the count
-- is compared with does not change any more until the transaction ends.
SELECT
FROM inventory_stock AS s
INNER JOIN unnest(%(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[])
    AS one (product, technician, location)
    ON (one.product, one.technician, one.location) = (s.shop_product_id, s.technician_external_id, s.location)
ORDER BY one.product, one.technician COLLATE "C", one.location COLLATE "C"
FOR UPDATE OF s
