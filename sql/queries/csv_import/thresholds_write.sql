-- Thresholds that an older system knew, where none is set here.
UPDATE inventory_stock AS s
SET reorder_threshold = r.threshold
FROM json_to_recordset(%(rows)s::json) AS r (shop_product_id bigint, technician text, location text, threshold numeric)
WHERE s.shop_product_id = r.shop_product_id AND s.technician_external_id = r.technician AND s.location = r.location
    AND s.reorder_threshold IS NULL AND r.threshold IS NOT NULL
