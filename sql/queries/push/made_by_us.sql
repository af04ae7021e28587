-- Which of some ids an action of the log has made at a record.
SELECT i.id
FROM unnest(%(ids)s::text[]) AS i (id)
WHERE
    EXISTS (
        SELECT FROM sync_gazelle_logs AS l
        WHERE l.piano_id = %(record)s AND l.status = 'success'
            AND jsonb_path_exists(l.response, '$.** ? (@ == $id)', jsonb_build_object('id', i.id))
    )
