-- Gazelle's invoice has its lines: those of the imported one must not count twice.
UPDATE gazelle_invoice_items
SET deleted_at = now(), synced_at = now()
WHERE invoice_external_id = ANY (%(old)s::text[]) AND starts_with(external_id, 'v4_') AND deleted_at IS NULL
