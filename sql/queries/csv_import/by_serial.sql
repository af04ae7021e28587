-- Gazelle's pianos by make and serial number.
SELECT lower(btrim(make)) || ' ' || upper(btrim(serial_number)), array_agg(external_id)
FROM gazelle_pianos
WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')
    AND lower(btrim(make)) || ' ' || upper(btrim(serial_number)) = ANY (%(keys)s)
GROUP BY 1
