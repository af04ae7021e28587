-- Notes and readings, a page at a time: all of them, those of some ids, or those of some pianos and clients. What the shop
-- or Gazelle sends to clients is no note (an export calls it EMAIL), nor is what an invoice or an estimate lists.
SELECT e.id, e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, gazelle_text.said, NULL::integer,
    c.external_id IS NOT NULL AND (c.external_id = ANY (%(low)s::text[]) OR c.tags && %(low)s::text[])
FROM gazelle_timeline_entries AS e
LEFT JOIN gazelle_clients AS c ON c.external_id = e.client_external_id
CROSS JOIN LATERAL (
    SELECT concat_ws(E'\n', nullif(e.title, ''), nullif(e.description, '')) AS said
) AS gazelle_text
WHERE e.id > %(after)s
    AND (%(ids)s::text[] IS NULL OR e.external_id = ANY (%(ids)s::text[]))
    AND (
        %(subjects)s::text[] IS NULL
        OR e.piano_external_id = ANY (%(subjects)s::text[])
        OR (e.piano_external_id IS NULL AND e.client_external_id = ANY (%(subjects)s::text[]))
    )
    AND e.deleted_at IS NULL
    AND NOT e.is_stub
    AND e.duplicate_of IS NULL
    AND e.occurred_at IS NOT NULL
    AND gazelle_text.said <> ''
    AND coalesce(e.entry_type, '') !~ '^(CONTACT_(EMAIL|SMS|POST)|EMAIL|SMS|SCHEDULED|INVOICE|ESTIMATE|SYSTEM|ERROR)'
    AND (
        %(scope)s::text[] = '{}'
        OR e.client_external_id = ANY (%(scope)s::text[])
        OR c.tags && %(scope)s::text[]
    )
ORDER BY e.id
LIMIT %(page)s
