-- What people call some records.
SELECT p.external_id, nullif(btrim({names}), '')
FROM {production} AS p
WHERE p.external_id = ANY (%(keys)s::text[])
