-- Holds the products of which something is about to be moved, before any stock: none of them is merged into another meanwhile,
-- and a merge that is under way is waited for.
SELECT FROM shop_products WHERE id = ANY (%(products)s::bigint[]) ORDER BY id FOR SHARE
