-- When the same edits were sent. A row that knows nothing of the fact yet may be one that was removed and came back: for
-- it any edit that said the same counts, however often the row of old had changed its mind before.
SELECT a.key, found.synced_at
FROM jsonb_to_recordset(%(actions)s) AS a (key text, is_first boolean, record text, action text, settles jsonb)
CROSS JOIN LATERAL (
    SELECT (array_agg(l.synced_at ORDER BY l.id DESC))[1] AS synced_at
    FROM sync_gazelle_logs AS l
    WHERE l.status = 'success' AND l.undone_at IS NULL AND l.source_table = {source}
        AND (
            l.idempotency_key = a.key
            OR (
                a.is_first AND l.piano_id = a.record AND l.action = a.action AND l.request -> 'settles' = a.settles
            )
        )
) AS found
WHERE found.synced_at IS NOT NULL
