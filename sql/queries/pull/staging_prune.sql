-- Superseded versions older than the retention go; the newest version and the last body of a record stay for ever.
DELETE FROM {staging} AS s
WHERE s.fetched_at < now() - make_interval(days => %(days)s)
    AND s.sync_status <> 'pending'
    AND EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id
            AND newer.fetched_at > s.fetched_at
            AND newer.rejected_at IS NULL
            AND (jsonb_typeof(newer.raw_data) <> 'null' OR jsonb_typeof(s.raw_data) = 'null')
    )
