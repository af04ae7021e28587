-- Insert products, or fill what is empty in those that are there: what people wrote stays. Nothing of it is an edit that is
-- to be pushed (gazelle_sync.pushing).
WITH said AS (
    SELECT * FROM json_to_recordset(%(rows)s::json) AS r (
        place integer, id bigint, product_external_id text, sku text, name_fr text, name_en text, description text,
        unit_cost numeric, retail_price numeric, active boolean, category text, variant_group text, variant_label text,
        has_commission boolean, commission_rate numeric
    )
),
filled AS (
    UPDATE shop_products AS p
    SET product_external_id = coalesce(p.product_external_id, said.product_external_id), sku = coalesce(p.sku, said.sku),
        name_fr = coalesce(p.name_fr, said.name_fr), name_en = coalesce(p.name_en, said.name_en),
        description = coalesce(p.description, said.description), unit_cost = coalesce(p.unit_cost, said.unit_cost),
        retail_price = coalesce(p.retail_price, said.retail_price), category = coalesce(p.category, said.category),
        variant_group = coalesce(p.variant_group, said.variant_group),
        variant_label = coalesce(p.variant_label, said.variant_label),
        has_commission = p.has_commission OR coalesce(said.has_commission, false),
        commission_rate = coalesce(p.commission_rate, said.commission_rate)
    FROM said
    WHERE p.id = said.id
        AND (
            (p.product_external_id IS NULL AND said.product_external_id IS NOT NULL)
            OR (p.sku IS NULL AND said.sku IS NOT NULL)
            OR (p.name_fr IS NULL AND said.name_fr IS NOT NULL)
            OR (p.name_en IS NULL AND said.name_en IS NOT NULL)
            OR (p.description IS NULL AND said.description IS NOT NULL)
            OR (p.unit_cost IS NULL AND said.unit_cost IS NOT NULL)
            OR (p.retail_price IS NULL AND said.retail_price IS NOT NULL)
            OR (p.category IS NULL AND said.category IS NOT NULL)
            OR (p.variant_group IS NULL AND said.variant_group IS NOT NULL)
            OR (p.variant_label IS NULL AND said.variant_label IS NOT NULL)
            OR (said.has_commission AND NOT p.has_commission)
            OR (p.commission_rate IS NULL AND said.commission_rate IS NOT NULL)
        )
),
inserted AS (
    INSERT INTO shop_products (
        product_external_id, sku, name_fr, name_en, description, unit_cost, retail_price, active, category,
        variant_group, variant_label, has_commission, commission_rate, needs_sync, updated_by
    )
    SELECT
        product_external_id, sku, name_fr, name_en, description, unit_cost, retail_price, coalesce(active, true), category,
        variant_group, variant_label, coalesce(has_commission, false), commission_rate, false, 'import'
    FROM said
    WHERE id IS NULL
    ORDER BY place
    RETURNING id, product_external_id, sku
)
SELECT id, product_external_id, sku FROM inserted
