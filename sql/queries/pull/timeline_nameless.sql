-- Entries that came without an id on a bad day and are still there under a name of ours.
SELECT external_id
FROM (
    SELECT DISTINCT ON (external_id) external_id, raw_data
    FROM staging_timeline
    WHERE starts_with(external_id, %s)
    ORDER BY external_id, fetched_at DESC
) AS newest
WHERE jsonb_typeof(raw_data) <> 'null'
