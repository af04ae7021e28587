-- What people call some records by the newest body that Gazelle sent of each: for those that production does not hold.
-- Each kind of record is called by the first of these fields that it has.
WITH staged AS (
    SELECT external_id, raw_data, fetched_at FROM staging_users WHERE external_id = ANY (%(ids)s)
    UNION ALL
    SELECT external_id, raw_data, fetched_at FROM staging_products WHERE external_id = ANY (%(ids)s)
    UNION ALL
    SELECT external_id, raw_data, fetched_at FROM staging_taxes WHERE external_id = ANY (%(ids)s)
    UNION ALL
    SELECT external_id, raw_data, fetched_at FROM staging_clients WHERE external_id = ANY (%(ids)s)
    UNION ALL
    SELECT external_id, raw_data, fetched_at FROM staging_pianos WHERE external_id = ANY (%(ids)s)
    UNION ALL
    SELECT external_id, raw_data, fetched_at FROM staging_invoices WHERE external_id = ANY (%(ids)s)
    UNION ALL
    SELECT external_id, raw_data, fetched_at FROM staging_appointments WHERE external_id = ANY (%(ids)s)
    UNION ALL
    SELECT external_id, raw_data, fetched_at FROM staging_timeline WHERE external_id = ANY (%(ids)s)
),

newest AS (
    SELECT DISTINCT ON (external_id) external_id, raw_data AS body
    FROM staged
    WHERE raw_data IS NOT NULL
    ORDER BY external_id, fetched_at DESC
)

SELECT
    n.external_id,
    left(
        coalesce(
            nullif(concat_ws(' ', nullif(body ->> 'make', ''), nullif(body ->> 'model', ''), nullif(body ->> 'serialNumber', '')), ''),
            nullif(body ->> 'companyName', ''),
            nullif(concat_ws(' ', body #>> '{defaultContact,firstName}', body #>> '{defaultContact,lastName}'), ''),
            nullif(concat_ws(' ', body ->> 'firstName', body ->> 'lastName'), ''),
            '#' || (body ->> 'number'),
            body ->> 'title',
            nullif(body ->> 'summary', ''),
            nullif(body ->> 'comment', ''),
            body #>> '{name,fr_CA}',
            body #>> '{name,en_US}',
            body ->> 'name'
        ), 60
    ),
    coalesce(
        nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.serial_number, '')), ''), c.display_name,
        body #>> '{client,companyName}'
    ),
    NULL::timestamptz
FROM newest AS n
LEFT JOIN gazelle_pianos AS p ON p.external_id = body #>> '{piano,id}'
LEFT JOIN gazelle_clients AS c ON c.external_id = body #>> '{client,id}'
