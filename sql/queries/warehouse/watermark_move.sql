-- Set the watermarks of some entities, and last_sync_date to the oldest of all entities' once each has one, if the lock is
-- still held by the server process that took it: whether it is. An unchanged value is not written again. Of an entity whose
-- last scan was incomplete, `partial_scan.<entity>` says since which run that has been so.
-- They are written in one fixed form (ISO-8601, UTC, whole seconds), so the text order is the order in time.
WITH held AS (
    SELECT
    FROM pg_locks
    WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid, objid, objsubid) = (0, %(lock)s, 1)
        AND granted
        AND pid = %(holder)s
),
moved AS (
    SELECT 'last_sync_date.' || entity AS key, %(value)s::text AS value
    FROM unnest(%(entities)s::text[]) AS entity
),
oldest AS (
    SELECT 'last_sync_date' AS key, min(mark.value) AS value
    FROM unnest(%(all)s::text[]) AS entity
    CROSS JOIN LATERAL (
        SELECT value FROM moved WHERE moved.key = 'last_sync_date.' || entity
        UNION ALL
        SELECT kept.value
        FROM system_settings AS kept
        WHERE kept.key = 'last_sync_date.' || entity AND entity <> ALL (%(entities)s::text[])
    ) AS mark
    HAVING count(*) = cardinality(%(all)s::text[])
),
written AS (
    INSERT INTO system_settings AS kept (key, value, updated_at)
    SELECT key, value, now()
    FROM (SELECT * FROM moved UNION ALL SELECT * FROM oldest) AS new
    WHERE EXISTS (SELECT FROM held)
    ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at
    WHERE kept.value IS DISTINCT FROM EXCLUDED.value
),
incomplete AS (
    INSERT INTO system_settings (key, value, updated_at)
    SELECT 'partial_scan.' || entity, %(value)s::text, now()
    FROM unnest(%(partial)s::text[]) AS entity
    WHERE EXISTS (SELECT FROM held)
    ON CONFLICT (key) DO NOTHING
),
completed AS (
    DELETE FROM system_settings
    WHERE key IN (
            SELECT 'partial_scan.' || entity
            FROM unnest(%(entities)s::text[]) AS entity
            WHERE entity <> ALL (%(partial)s::text[])
        )
        AND EXISTS (SELECT FROM held)
)
SELECT EXISTS (SELECT FROM held)
