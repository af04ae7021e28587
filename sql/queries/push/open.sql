-- Actions of which nobody knows whether they arrived: the process died, or Gazelle did not say.
SELECT
    id, local_id, piano_id, action, field, request, extract(epoch FROM doubt_until - clock_timestamp())::double precision,
    doubt_until, remote_before ->> 'updated_at'
FROM sync_gazelle_logs
WHERE status = 'in_doubt' AND source_table = {source}
    AND (%(keys)s::text[] IS NULL OR piano_id = ANY (%(keys)s::text[]) OR local_id = ANY (%(keys)s::text[]))
ORDER BY id
