-- What a line of an invoice may sell, in the order of names.
SELECT
    external_id, coalesce(CASE WHEN %(language)s = 'fr' THEN name_fr ELSE name_en END, name_fr, name_en, external_id), amount
FROM gazelle_products
WHERE deleted_at IS NULL AND NOT is_stub AND is_archived IS NOT TRUE
ORDER BY 2, 1
LIMIT 1000
