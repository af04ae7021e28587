-- The words of what was written (%(all)s: of everything), and of what names it: a piano's and an invoice's are also its
-- client's, a note's also those of both. What is gone is found no more.
WITH clients AS MATERIALIZED (
    SELECT external_id, deleted_at IS NULL AS is_living
    FROM gazelle_clients
    WHERE %(all)s OR external_id = ANY (%(clients)s::text[])
),
pianos AS MATERIALIZED (
    SELECT external_id, deleted_at IS NULL AS is_living
    FROM gazelle_pianos
    WHERE %(all)s
        OR external_id = ANY (%(pianos)s::text[])
        OR client_external_id = ANY (%(clients)s::text[])
),
invoices AS MATERIALIZED (
    SELECT external_id, client_external_id, invoice_date, number, notes, top_notes, tags
    FROM gazelle_invoices
    WHERE deleted_at IS NULL
        AND (
            %(all)s
            OR external_id = ANY (%(invoices)s::text[])
            OR client_external_id = ANY (%(clients)s::text[])
        )
),
notes AS MATERIALIZED (
    SELECT external_id, piano_external_id, client_external_id, occurred_at, title, description
    FROM gazelle_timeline_entries
    WHERE deleted_at IS NULL
        AND duplicate_of IS NULL
        AND (title <> '' OR description <> '')
        AND (
            %(all)s
            OR external_id = ANY (%(notes)s::text[])
            OR client_external_id = ANY (%(clients)s::text[])
            OR piano_external_id = ANY (ARRAY(SELECT external_id FROM pianos))
        )
),
-- Many notes are of one piano, and programs write the same texts again and again: the words of each, as of whom they are about, are made once.
places AS MATERIALIZED (
    SELECT
        p.external_id,
        p.client_external_id,
        to_tsvector(
            'simple'::regconfig,
            gazelle.plain_words(concat_ws(' ', p.make, p.model, p.serial_number, p.location, c.display_name))
        ) AS words
    FROM gazelle_pianos AS p
    LEFT JOIN gazelle_clients AS c ON c.external_id = p.client_external_id
    WHERE %(all)s
        OR p.external_id IN (SELECT external_id FROM pianos UNION SELECT piano_external_id FROM notes)
),
names AS MATERIALIZED (
    SELECT c.external_id, to_tsvector('simple'::regconfig, gazelle.plain_words(c.display_name)) AS words
    FROM gazelle_clients AS c
    WHERE %(all)s OR c.external_id IN (SELECT client_external_id FROM notes)
),
texts AS MATERIALIZED (
    SELECT said, to_tsvector('simple'::regconfig, gazelle.plain_words(said)) AS words
    FROM (SELECT title AS said FROM notes UNION SELECT description FROM notes) AS of_notes
),
made AS MATERIALIZED (
    SELECT
        'piano' AS kind,
        p.external_id,
        p.external_id AS piano_external_id,
        p.client_external_id,
        NULL::timestamptz AS happened_at,
        NULL::integer AS number,
        n.words,
        concat_ws(
            ' ', p.external_id, c.company_name, p.year::text, p.type, array_to_string(p.tags, ' '), p.notes,
            p.reference_id, e.status, e.notes, e.observations, e.travail, e.a_faire
        ) AS said
    FROM gazelle_pianos AS p
    INNER JOIN pianos AS w ON w.external_id = p.external_id
    INNER JOIN places AS n ON n.external_id = p.external_id
    LEFT JOIN gazelle_clients AS c ON c.external_id = p.client_external_id
    LEFT JOIN (
        SELECT
            gazelle.bare_id(gazelle_id::text) AS id,
            string_agg(status::text, ' ') AS status,
            string_agg(notes::text, ' ') AS notes,
            string_agg(observations::text, ' ') AS observations,
            string_agg(travail::text, ' ') AS travail,
            string_agg(a_faire::text, ' ') AS a_faire
        FROM vincent_dindy_piano_updates
        GROUP BY 1
    ) AS e ON e.id = p.external_id
    WHERE w.is_living
    UNION ALL
    SELECT
        'client', c.external_id, NULL, c.external_id, NULL, NULL,
        NULL,
        concat_ws(
            ' ', c.external_id, c.display_name, c.company_name, c.first_name, c.last_name, c.email, c.phone, c.city,
            c.postal_code, c.reference_id, array_to_string(c.tags, ' '), k.said
        )
    FROM gazelle_clients AS c
    INNER JOIN clients AS w ON w.external_id = c.external_id
    LEFT JOIN LATERAL (
        SELECT string_agg(concat_ws(' ', o.first_name, o.last_name, o.email, o.phone, o.mobile_phone), ' ') AS said
        FROM gazelle_contacts AS o
        WHERE o.client_external_id = c.external_id AND o.deleted_at IS NULL
    ) AS k ON true
    WHERE w.is_living
    UNION ALL
    SELECT
        'invoice', i.external_id, NULL, i.client_external_id, i.invoice_date::timestamp AT TIME ZONE 'America/Toronto',
        i.number,
        NULL,
        concat_ws(' ', i.external_id, i.number::text, c.display_name, i.notes, i.top_notes, array_to_string(i.tags, ' '))
    FROM invoices AS i
    LEFT JOIN gazelle_clients AS c ON c.external_id = i.client_external_id
    UNION ALL
    SELECT
        'note', t.external_id, t.piano_external_id, coalesce(t.client_external_id, n.client_external_id), t.occurred_at,
        NULL,
        coalesce(one.words, '') || coalesce(two.words, '') || coalesce(n.words, c.words, ''),
        NULL
    FROM notes AS t
    LEFT JOIN texts AS one ON one.said = t.title
    LEFT JOIN texts AS two ON two.said = t.description
    LEFT JOIN places AS n ON n.external_id = t.piano_external_id
    LEFT JOIN names AS c ON c.external_id = t.client_external_id
),
written AS (
    INSERT INTO search_entries AS e (kind, external_id, piano_external_id, client_external_id, happened_at, number, words)
    SELECT
        kind, external_id, piano_external_id, client_external_id, happened_at, number,
        CASE
            WHEN said IS NULL THEN words
            ELSE coalesce(words, '') || to_tsvector('simple'::regconfig, gazelle.plain_words(said))
        END
    FROM made
    ON CONFLICT (kind, external_id) DO UPDATE
    SET piano_external_id = excluded.piano_external_id, client_external_id = excluded.client_external_id,
        happened_at = excluded.happened_at, number = excluded.number, words = excluded.words
    WHERE (e.piano_external_id, e.client_external_id, e.happened_at, e.number, e.words)
        IS DISTINCT FROM (
            excluded.piano_external_id, excluded.client_external_id, excluded.happened_at, excluded.number,
            excluded.words
        )
    RETURNING 1
),
-- Not by what was made: PostgreSQL takes that for billions of rows where many notes have the same text, and sorts them
-- into thousands of files.
living AS (
    SELECT 'piano' AS kind, external_id FROM pianos WHERE is_living
    UNION ALL
    SELECT 'client', external_id FROM clients WHERE is_living
    UNION ALL
    SELECT 'invoice', external_id FROM invoices
    UNION ALL
    SELECT 'note', external_id FROM notes
),
removed AS (
    DELETE FROM search_entries AS e
    USING (
        SELECT kind, external_id AS id FROM search_entries WHERE %(all)s
        UNION ALL
        SELECT 'piano', unnest(%(pianos)s::text[])
        UNION ALL
        SELECT 'client', unnest(%(clients)s::text[])
        UNION ALL
        SELECT 'invoice', unnest(%(invoices)s::text[])
        UNION ALL
        SELECT 'note', unnest(%(notes)s::text[])
    ) AS k
    WHERE e.kind = k.kind
        AND e.external_id = k.id
        AND NOT EXISTS (SELECT FROM living AS l WHERE l.kind = k.kind AND l.external_id = k.id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM removed)
