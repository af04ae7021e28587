-- Clients that an import made, and names that it looked for in vain.
SELECT c.external_id, c.display_name
FROM staging_import AS s
INNER JOIN gazelle_clients AS c ON c.external_id = s.external_id
WHERE s.import_id = %(import_id)s AND s.entity = 'clients' AND starts_with(c.external_id, 'v4_')
    AND c.display_name IS NOT NULL
UNION ALL
SELECT s.file || ':' || s.line, s.raw_data ->> 'ClientCompanyName'
FROM staging_import AS s
WHERE s.import_id = %(import_id)s AND s.entity = 'alert_clients' AND s.outcome = 'rejected'
    AND s.raw_data ->> 'ClientCompanyName' IS NOT NULL
