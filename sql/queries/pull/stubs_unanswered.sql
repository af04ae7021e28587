-- Stubs without a staged version: their records were asked for, and no answer came.
SELECT p.external_id
FROM {production} AS p
WHERE p.is_stub AND NOT EXISTS (SELECT FROM {staging} AS s WHERE s.external_id = p.external_id)
