-- A version that a newer one has overtaken before it was applied (or that could not be) has nothing more to say.
UPDATE {staging} AS s
SET sync_status = 'processed', processed_at = now()
WHERE s.sync_status <> 'processed'
    AND s.rejected_at IS NULL
    AND EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
