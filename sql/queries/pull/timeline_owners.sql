-- The client and the piano that each body we hold of some entries names, the newest body first.
SELECT
    external_id,
    jsonb_path_query_first(raw_data, '$.client.id ? (@.type() == "string")') #>> '{}',
    jsonb_path_query_first(raw_data, '$.piano.id ? (@.type() == "string")') #>> '{}'
FROM staging_timeline
WHERE rejected_at IS NULL AND jsonb_typeof(raw_data) = 'object' AND external_id = ANY (%s)
ORDER BY external_id, fetched_at DESC
