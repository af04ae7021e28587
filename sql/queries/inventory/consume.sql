-- Movements that invoices ask for, in the order of the stock's rows.
INSERT INTO inventory_movements (
    shop_product_id, technician_external_id, location, delta, kind, invoice_external_id, line_key, made_by
)
SELECT product, technician, location, delta, kind, invoice, line_key, 'gazelle_sync'
FROM unnest(
    %(products)s::bigint[], %(technicians)s::text[], %(locations)s::text[], %(deltas)s::numeric[], %(kinds)s::text[],
    %(invoices)s::text[], %(line_keys)s::text[]
) WITH ORDINALITY AS one (product, technician, location, delta, kind, invoice, line_key, place)
ORDER BY place
