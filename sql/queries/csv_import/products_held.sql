-- The shop's products that some rows may speak of.
SELECT id, product_external_id, sku, name_fr
FROM shop_products
WHERE product_external_id = ANY (%(gazelle_ids)s) OR sku = ANY (%(skus)s) OR id = ANY (%(ids)s)
