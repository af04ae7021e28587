-- The rules of a service for a material hold up to a day. One that begins later never held.
WITH ended AS (
    UPDATE consumption_rules
    SET valid_until = %(valid_until)s, updated_at = now(), updated_by = session_user
    WHERE service_external_id = %(service)s
        AND shop_product_id = %(product)s
        AND valid_from <= %(valid_until)s
        AND (valid_until IS NULL OR valid_until > %(valid_until)s)
    RETURNING id
),
removed AS (
    DELETE FROM consumption_rules
    WHERE service_external_id = %(service)s AND shop_product_id = %(product)s AND valid_from > %(valid_until)s
    RETURNING id
)
SELECT count(*) FROM (SELECT id FROM ended UNION ALL SELECT id FROM removed) AS changed
