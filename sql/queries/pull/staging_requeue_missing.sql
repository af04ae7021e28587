-- Records that were applied, and whose production row is gone or says deleted: apply them again.
UPDATE {staging} AS s
SET sync_status = 'pending'
WHERE s.external_id = ANY (%(ids)s)
    AND s.sync_status = 'processed'
    AND s.rejected_at IS NULL
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
