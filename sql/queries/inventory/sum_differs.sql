-- Where the stock is not the sum of its movements.
SELECT
    shop_product_id, technician_external_id, location, coalesce(s.quantity, 0) AS held, coalesce(m.quantity, 0) AS summed
FROM inventory_stock AS s
FULL JOIN (
    SELECT shop_product_id, technician_external_id, location, sum(delta) AS quantity
    FROM inventory_movements
    GROUP BY 1, 2, 3
) AS m USING (shop_product_id, technician_external_id, location)
WHERE coalesce(s.quantity, 0) <> coalesce(m.quantity, 0)
