-- Gazelle's invoices by client and number.
SELECT client_external_id || ' ' || number, array_agg(external_id)
FROM gazelle_invoices
WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')
    AND client_external_id || ' ' || number = ANY (%(keys)s)
GROUP BY 1
