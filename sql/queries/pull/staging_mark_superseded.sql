-- Versions that a newer one superseded before they were applied, or that could not be applied, count as processed.
UPDATE {staging} AS s
SET sync_status = 'processed', processed_at = now()
WHERE s.sync_status <> 'processed'
    AND s.rejected_at IS NULL
    AND EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
