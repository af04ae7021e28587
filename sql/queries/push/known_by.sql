-- Living records that go by a text (a serial number, a name), and what people call them.
SELECT p.external_id, nullif(btrim({names}), '')
FROM {production} AS p
WHERE p.deleted_at IS NULL AND lower(%(text)s) IN ({known_by})
ORDER BY 1
