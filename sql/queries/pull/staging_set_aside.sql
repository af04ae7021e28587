-- Records whose newest version was set aside by the guard.
SELECT DISTINCT s.external_id
FROM {staging} AS s
WHERE s.rejected_at IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at
    )
