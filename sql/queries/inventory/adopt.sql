-- Take products of Gazelle's into the shop's own list. Without names or a price of its own a row changes nothing at Gazelle.
INSERT INTO shop_products (product_external_id)
SELECT unnest(%(products)s::text[])
ON CONFLICT (product_external_id) DO UPDATE SET product_external_id = excluded.product_external_id
RETURNING product_external_id, id
