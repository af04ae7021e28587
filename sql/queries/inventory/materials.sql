-- The shop's products, and those of Gazelle's that the shop's own list does not hold. Of a product that has no name here,
-- Gazelle's counts. The last two: of the shop's list, whether Gazelle knows it; and all that it is called, as in rules.sql.
SELECT
    p.id, p.sku, p.product_external_id, coalesce(p.name_fr, g.name_fr) AS name_fr, coalesce(p.name_en, g.name_en) AS name_en,
    p.unit, p.active, coalesce(g.is_archived, false) OR g.deleted_at IS NOT NULL AS is_archived,
    p.merged_into, p.product_external_id IS NULL OR g.external_id IS NOT NULL AS is_known,
    array_remove(ARRAY[p.sku, p.name_fr, p.name_en, g.name_fr, g.name_en], NULL) AS names
FROM shop_products AS p
LEFT JOIN gazelle_products AS g ON g.external_id = p.product_external_id
UNION ALL
SELECT
    NULL, NULL, g.external_id, g.name_fr, g.name_en, NULL, true, coalesce(g.is_archived, false) OR g.deleted_at IS NOT NULL,
    NULL, true, array_remove(ARRAY[g.name_fr, g.name_en], NULL)
FROM gazelle_products AS g
WHERE NOT EXISTS (SELECT FROM shop_products AS p WHERE p.product_external_id = g.external_id)
