-- How many records are staged, and which of them a full run compares when it ends: those that it did not find right while
-- it read (the given ones), whatever it staged itself, tombstones (which have no hash), and what is not applied.
SELECT
    count(*),
    coalesce(
        array_agg(external_id) FILTER (
            WHERE content_hash IS NULL
                OR sync_status <> 'processed'
                OR run_id = %(run_id)s
                OR external_id = ANY (%(unverified)s::text[])
        ),
        '{{}}'
    )
FROM (
    SELECT DISTINCT ON (external_id) external_id, content_hash, sync_status, run_id
    FROM {staging}
    WHERE rejected_at IS NULL
    ORDER BY external_id, fetched_at DESC
) AS newest
