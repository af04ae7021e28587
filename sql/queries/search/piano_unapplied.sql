-- What Gazelle sent about a piano and is not in production: it waits, or could not be applied.
SELECT 'pianos', external_id, sync_status, error_message
FROM staging_pianos
WHERE external_id = %(id)s AND sync_status IN ('pending', 'error')
UNION ALL
SELECT 'timeline', external_id, sync_status, error_message
FROM staging_timeline
WHERE sync_status IN ('pending', 'error') AND raw_data -> 'piano' ->> 'id' = %(id)s
LIMIT 20
