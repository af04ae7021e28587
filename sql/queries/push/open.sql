-- Actions of which nobody knows whether they arrived: the process died, or Gazelle did not say.
SELECT
    id, coalesce(local_id, piano_id), piano_id, action, coalesce(field, ''), coalesce(request, '{{}}'),
    coalesce(response, '{{}}'), coalesce(remote_before, '{{}}'), NULL,
    coalesce(extract(epoch FROM doubt_until - clock_timestamp())::double precision, 0), doubt_until
FROM sync_gazelle_logs
WHERE status = 'in_doubt' AND source_table = {source}
    AND (%(keys)s::text[] IS NULL OR piano_id = ANY (%(keys)s::text[]) OR local_id = ANY (%(keys)s::text[]))
ORDER BY id
