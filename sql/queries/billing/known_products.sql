-- Products that lines name. The last: the id at Gazelle of the one that it turned out to be, by the shop's own list.
SELECT
    g.external_id, coalesce(g.name_fr, g.name_en, g.external_id), coalesce(g.is_archived, false),
    g.deleted_at IS NOT NULL OR g.is_stub, coalesce(g.is_taxable, false), g.type, nullif(survivor.product_external_id, '')
FROM gazelle_products AS g
LEFT JOIN shop_products AS p ON p.product_external_id = g.external_id
LEFT JOIN shop_products AS survivor ON survivor.id = p.merged_into
WHERE g.external_id = ANY (%(products)s)
