-- Remember on the newest version whether the record was found in its list.
UPDATE {staging} AS s
SET is_unlisted = %(unlisted)s
WHERE s.external_id = ANY (%(ids)s)
    AND s.rejected_at IS NULL
    AND s.is_unlisted <> %(unlisted)s
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
