-- An unchanged body was read again: its newest version is settled by now, listed or not as it was found, and has the
-- stamp that its body says.
UPDATE {staging} AS s
SET is_unsettled = coalesce(said.stamp > %(settled_before)s, false),
    is_unlisted = %(unlisted)s,
    gazelle_updated_at = said.stamp
FROM unnest(%(ids)s::text[], %(stamps)s::timestamptz[]) AS said (external_id, stamp)
WHERE s.external_id = said.external_id
    AND s.rejected_at IS NULL
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
