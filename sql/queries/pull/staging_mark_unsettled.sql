-- The newest version of records that must be read again by the next run.
UPDATE {staging} AS s
SET is_unsettled = true
WHERE s.external_id = ANY (%(ids)s)
    AND s.rejected_at IS NULL
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
