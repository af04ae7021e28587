-- What all of some words find, each by its beginning: of each kind the newest, a page at a time, with how many there are.
WITH hits AS MATERIALIZED (
    SELECT
        CASE e.kind WHEN 'piano' THEN 1 WHEN 'client' THEN 2 WHEN 'invoice' THEN 3 ELSE 4 END AS rank,
        e.external_id COLLATE "C" AS external_id, e.piano_external_id, e.client_external_id, e.happened_at,
        coalesce(e.number::text = btrim(%(text)s), false) AS is_number
    FROM search_entries AS e
    WHERE e.words @@ gazelle.search_query(%(text)s) AND (%(kind)s::text IS NULL OR e.kind = %(kind)s::text)
),
counted AS (
    SELECT rank, count(*) AS total FROM hits GROUP BY rank
),
page AS (
    SELECT n.*, (ARRAY['piano', 'client', 'invoice', 'note'])[n.rank] AS kind, counted.total
    FROM (
        SELECT
            hits.*,
            -- A number that was typed is first of all that number.
            row_number() OVER (
                PARTITION BY rank ORDER BY is_number DESC, happened_at DESC NULLS LAST, external_id
            ) AS place
        FROM hits
    ) AS n
    INNER JOIN counted ON counted.rank = n.rank
    WHERE n.place > %(after)s AND n.place <= %(after)s + %(most)s
    LIMIT 4 * %(most)s
)
SELECT
    page.kind,
    page.external_id,
    page.total,
    page.happened_at,
    page.piano_external_id,
    nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.model, '')), '') AS piano,
    nullif(p.serial_number, '') AS serial_number,
    nullif(p.location, '') AS room,
    page.client_external_id,
    c.display_name AS client,
    c.city,
    i.number,
    i.status,
    i.total AS amount,
    CASE page.kind
        WHEN 'note' THEN concat_ws(E'\n', nullif(t.title, ''), nullif(t.description, ''))
        WHEN 'piano' THEN p.notes
        WHEN 'invoice' THEN concat_ws(E'\n', nullif(i.top_notes, ''), nullif(i.notes, ''))
    END AS said
FROM page
LEFT JOIN gazelle_pianos AS p ON p.external_id = page.piano_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = page.client_external_id
LEFT JOIN gazelle_invoices AS i ON page.kind = 'invoice' AND i.external_id = page.external_id
LEFT JOIN gazelle_timeline_entries AS t ON page.kind = 'note' AND t.external_id = page.external_id
ORDER BY page.rank, page.place
