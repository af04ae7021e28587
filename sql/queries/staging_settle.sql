-- An unchanged body was read again: its newest version is settled by now, listed or not as it was found.
UPDATE {staging} AS s
SET is_unsettled = coalesce(s.gazelle_updated_at > %(settled_before)s, false),
    is_unlisted = %(unlisted)s
WHERE s.external_id = ANY (%(ids)s)
    AND s.rejected_at IS NULL
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
