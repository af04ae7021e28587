-- How many appointments have instants that can be compared.
SELECT count(*) FROM gazelle_appointments WHERE NOT is_stub AND NOT starts_with(external_id, 'v4_')
