-- The taxes that invoices take now.
SELECT external_id, name, rate, coalesce(is_default, false)
FROM gazelle_taxes
WHERE deleted_at IS NULL AND is_active AND name IS NOT NULL AND rate IS NOT NULL
ORDER BY id
