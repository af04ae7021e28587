-- The records that old ids (or Gazelle's, of records that are here under an old one) became, the newest first.
SELECT DISTINCT ON (asked) asked, external_id
FROM (
    SELECT s.old_id AS asked, s.external_id, s.id
    FROM staging_import AS s
    WHERE s.entity = ANY (%(entities)s) AND s.source = %(source)s AND s.old_id = ANY (%(ids)s)
        AND s.outcome IN ('imported', 'merged') AND s.external_id IS NOT NULL
    UNION ALL
    SELECT s.gazelle_id, s.external_id, s.id
    FROM staging_import AS s
    WHERE s.entity = ANY (%(entities)s) AND s.gazelle_id = ANY (%(ids)s)
        AND s.outcome IN ('imported', 'merged') AND s.external_id IS NOT NULL
) AS found
ORDER BY asked, id DESC
