-- The rules, with what each material is called.
SELECT
    r.service_external_id, r.shop_product_id, r.quantity, r.valid_from, r.valid_until, r.is_optional,
    array_remove(ARRAY[p.sku, p.name_fr, p.name_en, g.name_fr, g.name_en], NULL)
FROM consumption_rules AS r
INNER JOIN shop_products AS p ON p.id = r.shop_product_id
LEFT JOIN gazelle_products AS g ON g.external_id = p.product_external_id
