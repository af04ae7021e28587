-- Why each entity failed in the newest run that had to do with it (null where it did not), the cause as a code and its
-- number (null in rows from before causes were stored), and which run that was. A run that failed before it came to any
-- entity failed for all of them. One that a person stopped says nothing.
SELECT DISTINCT ON (wanted.entity)
    wanted.entity,
    found.report ->> 'failure' AS failure,
    found.report ->> 'cause' AS cause,
    (found.report ->> 'cause_number')::integer AS cause_number,
    run.run_id
FROM unnest(%(entities)s::text[]) AS wanted (entity)
INNER JOIN (
    SELECT id, run_id, status, stats, error_message
    FROM sync_logs
    WHERE status <> 'running' AND task_type IN ('pull', 'replay') AND NOT stats ? 'stopped_by_hand'
    ORDER BY id DESC
    LIMIT %(runs)s
) AS run ON run.stats ? wanted.entity OR (run.status = 'error' AND NOT run.stats ?| %(entities)s::text[])
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN run.stats ? wanted.entity THEN run.stats -> wanted.entity
            ELSE run.stats || jsonb_build_object('failure', run.error_message)
        END AS report
) AS found
ORDER BY wanted.entity, run.id DESC
