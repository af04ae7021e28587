-- What people call some records of Gazelle's, of whatever kind: make, serial number, client.
SELECT p.external_id, concat_ws(' ', nullif(p.make, ''), nullif(p.model, ''), nullif(p.serial_number, '')), c.display_name, NULL::timestamptz
FROM gazelle_pianos AS p
LEFT JOIN gazelle_clients AS c ON c.external_id = p.client_external_id
WHERE p.external_id = ANY (%(ids)s)
UNION ALL
SELECT external_id, display_name, NULL, NULL FROM gazelle_clients WHERE external_id = ANY (%(ids)s)
UNION ALL
SELECT o.external_id, concat_ws(' ', o.first_name, o.last_name), c.display_name, NULL
FROM gazelle_contacts AS o
LEFT JOIN gazelle_clients AS c ON c.external_id = o.client_external_id
WHERE o.external_id = ANY (%(ids)s)
UNION ALL
SELECT l.external_id, concat_ws(' ', l.street1, l.municipality), c.display_name, NULL
FROM gazelle_locations AS l
LEFT JOIN gazelle_clients AS c ON c.external_id = l.client_external_id
WHERE l.external_id = ANY (%(ids)s)
UNION ALL
SELECT external_id, concat_ws(' ', first_name, last_name), NULL, NULL FROM gazelle_users WHERE external_id = ANY (%(ids)s)
UNION ALL
SELECT external_id, coalesce(nullif(name_fr, ''), name_en), NULL, NULL
FROM gazelle_products WHERE external_id = ANY (%(ids)s)
UNION ALL
SELECT i.external_id, '#' || i.number, c.display_name, NULL
FROM gazelle_invoices AS i
LEFT JOIN gazelle_clients AS c ON c.external_id = i.client_external_id
WHERE i.external_id = ANY (%(ids)s)
UNION ALL
SELECT t.external_id, left(t.description, 60), '#' || i.number, NULL
FROM gazelle_invoice_items AS t
LEFT JOIN gazelle_invoices AS i ON i.external_id = t.invoice_external_id
WHERE t.external_id = ANY (%(ids)s)
UNION ALL
SELECT t.external_id, t.amount::text, '#' || i.number, t.paid_at
FROM gazelle_invoice_payments AS t
LEFT JOIN gazelle_invoices AS i ON i.external_id = t.invoice_external_id
WHERE t.external_id = ANY (%(ids)s)
UNION ALL
SELECT a.external_id, a.title, c.display_name, a.start_at
FROM gazelle_appointments AS a
LEFT JOIN gazelle_clients AS c ON c.external_id = a.client_external_id
WHERE a.external_id = ANY (%(ids)s)
UNION ALL
SELECT v.external_id, concat_ws(' ', nullif(p.make, ''), nullif(p.serial_number, '')), a.title, a.start_at
FROM gazelle_appointment_pianos AS v
LEFT JOIN gazelle_pianos AS p ON p.external_id = v.piano_external_id
LEFT JOIN gazelle_appointments AS a ON a.external_id = v.appointment_external_id
WHERE v.external_id = ANY (%(ids)s)
UNION ALL
SELECT
    e.external_id, left(coalesce(nullif(e.title, ''), nullif(e.description, ''), e.entry_type), 60),
    coalesce(nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.serial_number, '')), ''), c.display_name), e.occurred_at
FROM gazelle_timeline_entries AS e
LEFT JOIN gazelle_pianos AS p ON p.external_id = e.piano_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = e.client_external_id
WHERE e.external_id = ANY (%(ids)s)
UNION ALL
SELECT m.external_id, m.taken_on::text, concat_ws(' ', nullif(p.make, ''), nullif(p.serial_number, '')), NULL
FROM gazelle_piano_measurements AS m
LEFT JOIN gazelle_pianos AS p ON p.external_id = m.piano_external_id
WHERE m.external_id = ANY (%(ids)s)
UNION ALL
SELECT external_id, name, NULL, NULL FROM gazelle_taxes WHERE external_id = ANY (%(ids)s)
