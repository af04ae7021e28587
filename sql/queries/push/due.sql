-- Rows that wait for a push: edited here, or changed at Gazelle since both sides agreed (the pull has seen it), or looked
-- at without success, lest they go on saying so.
SELECT {t_key}
FROM {table} AS t
LEFT JOIN {production} AS p ON p.external_id = {t_key} AND p.deleted_at IS NULL
WHERE NOT {hidden}
    AND (%(keys)s::text[] IS NULL OR {t_key} = ANY (%(keys)s::text[]))
    AND (%(at_once)s OR t.next_attempt_at IS NULL OR t.next_attempt_at <= clock_timestamp())
    AND (
        t.needs_sync
        OR t.sync_error IS NOT NULL
        OR (
            -- Not only later ones: stamps have whole seconds. Compared as text: whatever a base holds, it stops nobody.
            to_char(p.gazelle_updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') COLLATE "C"
                >= left(t.base #>> '{{remote,updated_at}}', 19)
            AND (
                to_jsonb(p.gazelle_tags) IS DISTINCT FROM t.base #> '{{remote,tags}}'
                OR md5(coalesce(p.notes, '')) IS DISTINCT FROM t.base #>> '{{remote,notes_md5}}'
            )
        )
    )
ORDER BY t.updated_at, {t_key}
LIMIT %(limit)s
