-- What a run did to records (or what some rows of the log say) and nobody took back, the last first; and for an update the
-- run that wrote the same field later, if one did and nobody took that back.
SELECT
    t.id, coalesce(t.local_id, t.piano_id), t.piano_id, t.action, coalesce(t.field, ''), coalesce(t.request, '{{}}'),
    coalesce(t.response, '{{}}'), coalesce(t.remote_before, '{{}}'),
    (
        SELECT l.run_id
        FROM sync_gazelle_logs AS l
        WHERE l.piano_id = t.piano_id AND l.source_table = t.source_table AND l.action = t.action AND l.id > t.id
            AND l.status = 'success' AND l.undone_at IS NULL AND l.run_id IS DISTINCT FROM t.run_id
            AND l.field IS NOT DISTINCT FROM t.field
        ORDER BY l.id DESC
        LIMIT 1
    )
FROM sync_gazelle_logs AS t
WHERE t.source_table = {source} AND t.status = ANY (%(statuses)s::text[]) AND t.undone_at IS NULL
    AND left(t.action, 5) <> 'undo_'
    AND (%(run_id)s::text IS NULL OR t.run_id = %(run_id)s::text)
    AND (%(ids)s::bigint[] IS NULL OR t.id = ANY (%(ids)s::bigint[]))
    AND (
        %(keys)s::text[] IS NULL OR t.piano_id = ANY (%(keys)s::text[]) OR t.local_id = ANY (%(keys)s::text[])
        OR (
            -- What was made is named by the id that it got; the log knows its row by its key here.
            t.piano_id = t.local_id
            AND jsonb_path_query_array(t.response, '$.*.id') || jsonb_path_query_array(t.response, '$.found') ?| %(keys)s::text[]
        )
    )
ORDER BY t.id DESC
