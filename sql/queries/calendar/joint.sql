-- The drafts of a visit, and of the others of a joint one: by a draft's id, or by the event's. Those that were withdrawn,
-- or whose event has ended at Gazelle, are left out where there are others.
WITH named AS (
    SELECT d.id, d.joint_key
    FROM appointment_drafts AS d
    WHERE CASE
            WHEN %(draft)s::bigint IS NULL
                THEN d.appointment_external_id = gazelle.bare_id(%(event)s) AND d.action = 'create'
            ELSE d.id = %(draft)s::bigint
        END
)
SELECT d.id, d.appointment_external_id, d.status, d.joint_key
FROM appointment_drafts AS d
WHERE d.id IN (SELECT id FROM named)
    OR d.joint_key IN (SELECT joint_key FROM named) AND d.action = 'create' AND d.status <> 'canceled'
    AND NOT EXISTS (
        SELECT
        FROM gazelle_appointments AS a
        WHERE a.external_id = d.appointment_external_id AND (a.deleted_at IS NOT NULL OR a.status = 'CANCELED')
    )
ORDER BY d.id
FOR UPDATE OF d
