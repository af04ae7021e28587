-- How many appointments have instants that can be compared.
SELECT count(*) FROM gazelle_appointments WHERE NOT is_stub
