-- The living records that Gazelle's list of an entity should show, in 256 parts by the hash of their id: how many there are
-- of each part, and the hash of their ids and stamps (microseconds since 1970).
SELECT part, count(*), encode(sha256(convert_to(string_agg(line, E'\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex')
FROM (
    SELECT
        left(encode(sha256(convert_to(held.external_id, 'UTF8')), 'hex'), 2) AS part,
        concat(held.external_id, ' ', (extract(epoch FROM held.gazelle_updated_at) * 1000000)::bigint) AS line
    FROM {table} AS held
    WHERE held.deleted_at IS NULL
        AND NOT held.is_stub
        AND NOT starts_with(held.external_id, 'v4_')
        AND NOT held.external_id = ANY (%(unlisted)s)
) AS lines
GROUP BY part
