-- Rows that wait for a push: edited here, or changed at Gazelle since both sides agreed (the pull has seen it), or looked
-- at without success, lest they go on saying so; and what is left of rows that were deleted here.
SELECT due.local_id, due.record
FROM (
    SELECT {local} AS local_id, {record} AS record, t.updated_at AS since, s.revision
    FROM {table} AS t
    LEFT JOIN push_state AS s ON s.source_table = {source} AND s.local_id = {local}
    LEFT JOIN {production} AS p ON p.external_id = {record} AND p.deleted_at IS NULL
    WHERE NOT {hidden}
        AND (%(keys)s::text[] IS NULL OR {record} = ANY (%(keys)s::text[]) OR {local} = ANY (%(keys)s::text[]))
        AND ({record} IS NOT NULL OR %(nameless)s)
        AND (%(at_once)s OR s.next_attempt_at IS NULL OR s.next_attempt_at <= clock_timestamp())
        AND (
            t.needs_sync
            OR t.sync_error IS NOT NULL
            OR (
                -- Not only later ones: stamps have whole seconds. Compared as text: whatever a base holds, it stops nobody.
                -- Of a record that a row made, no stamp is known until it is looked at. A change that has gone is history.
                NOT {are_changes}
                AND s.base #> '{{remote}}' IS NOT NULL
                AND to_char(p.gazelle_updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') COLLATE "C"
                    >= coalesce(left(s.base #>> '{{remote,updated_at}}', 19), '')
                AND md5({last_pull}::text) IS DISTINCT FROM s.base #>> '{{remote,digest}}'
            )
        )
    UNION ALL
    SELECT s.local_id, s.external_id, s.deleted_at, s.revision
    FROM push_state AS s
    WHERE s.source_table = {source} AND s.deleted_at IS NOT NULL
        AND (%(keys)s::text[] IS NULL OR s.external_id = ANY (%(keys)s::text[]) OR s.local_id = ANY (%(keys)s::text[]))
        AND (%(at_once)s OR s.next_attempt_at IS NULL OR s.next_attempt_at <= clock_timestamp())
) AS due
ORDER BY due.since, due.revision, due.local_id
LIMIT %(limit)s
