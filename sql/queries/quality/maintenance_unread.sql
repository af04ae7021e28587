-- The days of the last fortnight on which notes came that no scan has read an hour later; how many notes scans read
-- meanwhile, and when the last one ended. The log of the pulls says when notes came, whatever the triggers say.
WITH came AS (
    SELECT l.started_at AS at
    FROM sync_logs AS l
    WHERE l.started_at BETWEEN now() - interval '14 days' AND now() - interval '1 hour'
        AND jsonb_typeof(l.stats -> 'timeline' -> 'changed') = 'number'
        AND (l.stats -> 'timeline' ->> 'changed')::numeric > 0
    UNION ALL
    SELECT u.changed_at FROM maintenance_unread AS u WHERE u.changed_at < now() - interval '1 hour'
)
SELECT
    ARRAY(
        SELECT DISTINCT (came.at AT TIME ZONE 'America/Toronto')::date
        FROM came
        WHERE NOT EXISTS (SELECT FROM maintenance_scans AS s WHERE s.ended_at >= came.at)
            OR EXISTS (SELECT FROM maintenance_unread AS u WHERE u.changed_at = came.at)
        ORDER BY 1
    ),
    (SELECT coalesce(sum(notes), 0)::bigint FROM maintenance_scans WHERE started_at > now() - interval '14 days'),
    (SELECT max(ended_at) FROM maintenance_scans)
