-- Materials that a technician has too little of: over all places at or below the threshold, or below zero somewhere. What
-- the shop's list has no more is not ordered.
SELECT
    p.id,
    s.technician_external_id,
    coalesce(p.name_fr, g.name_fr, p.name_en, g.name_en, p.sku, p.product_external_id, '#' || p.id) AS name_fr,
    coalesce(p.name_en, g.name_en, p.name_fr, g.name_fr, p.sku, p.product_external_id, '#' || p.id) AS name_en,
    coalesce(nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''), s.technician_external_id),
    s.quantity, CASE WHEN p.active THEN s.threshold END, s.least
FROM (
    SELECT
        shop_product_id, technician_external_id, sum(quantity) AS quantity, min(quantity) AS least,
        max(reorder_threshold) AS threshold
    FROM inventory_stock
    GROUP BY 1, 2
) AS s
INNER JOIN shop_products AS p ON p.id = s.shop_product_id
LEFT JOIN gazelle_products AS g ON g.external_id = p.product_external_id
LEFT JOIN gazelle_users AS u ON u.external_id = s.technician_external_id
WHERE s.least < 0 OR (p.active AND s.threshold > 0 AND s.quantity <= s.threshold)
ORDER BY 1, 2
