-- Nested rows that their parent's body lists no more.
DELETE FROM {table} AS held
WHERE held.{owner} = ANY (%(owners)s)
    AND NOT EXISTS (SELECT FROM unnest(%(listed)s::text[]) AS listed (external_id)
                    WHERE listed.external_id = held.external_id)
    AND NOT ({is_named})
