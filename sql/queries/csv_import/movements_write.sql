-- Movements of the stock that an older system knew, each once; a count brings the stock to what was counted.
INSERT INTO inventory_movements (
    shop_product_id, technician_external_id, location, delta, kind, reason, occurred_at, made_by, import_key
)
SELECT
    r.shop_product_id, r.technician, r.location,
    CASE WHEN r.quantity IS NULL THEN r.delta ELSE r.quantity - coalesce(s.quantity, 0) END,
    r.kind, r.reason, coalesce(r.occurred_at, now()), 'import', r.import_key
FROM json_to_recordset(%(rows)s::json) AS r (
    place integer, shop_product_id bigint, technician text, location text, delta numeric, quantity numeric, kind text,
    reason text, occurred_at timestamptz, import_key text
)
LEFT JOIN inventory_stock AS s ON s.shop_product_id = r.shop_product_id
    AND s.technician_external_id = r.technician AND s.location = r.location
WHERE NOT EXISTS (SELECT FROM inventory_movements AS m WHERE m.import_key = r.import_key)
ORDER BY r.shop_product_id, r.technician, r.location, r.occurred_at, r.place
