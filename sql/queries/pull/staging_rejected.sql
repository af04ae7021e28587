-- The newest body of these records that the guard set aside in an earlier run, where nothing was applied since.
SELECT DISTINCT ON (s.external_id) s.external_id, s.raw_data
FROM {staging} AS s
WHERE s.external_id = ANY (%(ids)s)
    AND s.rejected_at IS NOT NULL
    AND s.run_id IS DISTINCT FROM %(run_id)s
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id
            AND newer.fetched_at > s.fetched_at
            AND newer.rejected_at IS NULL
            AND newer.sync_status = 'processed'
    )
ORDER BY s.external_id, s.fetched_at DESC
