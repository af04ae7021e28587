-- Where a technician gets notices.
INSERT INTO technician_contacts AS t (technician_external_id, address, language)
VALUES (gazelle.bare_id(%(technician)s), %(address)s, %(language)s)
ON CONFLICT (technician_external_id) DO UPDATE
SET address = excluded.address, language = excluded.language, updated_at = now()
