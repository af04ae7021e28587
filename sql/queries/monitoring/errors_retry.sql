-- The newest versions that are in error wait again; those that the guard against mass emptying set aside do not.
UPDATE {staging} AS s
SET sync_status = 'pending'
WHERE s.sync_status = 'error'
    AND s.rejected_at IS NULL
    AND NOT EXISTS (SELECT FROM {staging} AS newer WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at)
