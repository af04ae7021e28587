-- A rule from a day on; one of the same service, material and day is replaced.
INSERT INTO consumption_rules (service_external_id, shop_product_id, quantity, is_optional, valid_from)
VALUES (%(service)s, %(product)s, %(quantity)s, %(is_optional)s, %(valid_from)s)
ON CONFLICT (service_external_id, shop_product_id, valid_from) DO UPDATE
SET quantity = excluded.quantity, is_optional = excluded.is_optional, valid_until = NULL, updated_at = now(),
    updated_by = session_user
