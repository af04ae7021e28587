-- Of each open draft that makes or moves a visit: the events and earlier drafts for which its technician is taken then,
-- and those of another client that leave no time to get there. An event that another draft moves or cancels is where that
-- draft says, also after that was sent and until a pull has brought it. Distances are as the crow flies, with a third for
-- the roads.
WITH said AS (
    SELECT
        d.id,
        d.status = 'sent' AS is_sent,
        d.joint_key,
        d.mark,
        d.appointment_external_id AS event,
        coalesce(d.technician_external_id, e.technician_external_id, made.technician_external_id) AS technician,
        coalesce(d.client_external_id, e.client_external_id, made.client_external_id) AS client,
        coalesce(d.start_at, e.start_at, made.start_at) AS start_at,
        least(greatest(coalesce(d.duration_minutes, e.duration_minutes, made.duration_minutes, 0), 0), 44640) AS minutes,
        least(greatest(coalesce(d.buffer_minutes, e.buffer_minutes, made.buffer_minutes, 0), 0), 1440) AS buffer_minutes,
        d.is_all_day OR coalesce(d.action = 'move' AND coalesce(e.is_all_day, made.is_all_day), false) AS is_all_day,
        CASE coalesce(d.travel_mode, e.travel_mode, made.travel_mode)
            WHEN 'WALKING' THEN 5 WHEN 'BICYCLING' THEN 15 WHEN 'TRANSIT' THEN 20 ELSE 40
        END AS km_per_hour
    FROM appointment_drafts AS d
    LEFT JOIN gazelle_appointments AS e ON d.action = 'move' AND e.external_id = d.appointment_external_id
    LEFT JOIN LATERAL (
        SELECT m.*
        FROM appointment_drafts AS m
        WHERE m.appointment_external_id = d.appointment_external_id AND m.action = 'create'
        ORDER BY m.id
        LIMIT 1
    ) AS made ON d.action = 'move' AND e.external_id IS NULL
    WHERE d.action IN ('create', 'move')
        AND (
            d.status IN ('ready', 'held')
            OR (
                -- What Gazelle has, and no pull has brought yet; the newest of what was sent about it.
                d.status = 'sent'
                AND d.last_synced_at > clock_timestamp() - interval '2 days'
                AND NOT EXISTS (
                    SELECT
                    FROM gazelle_appointments AS a
                    WHERE a.external_id = d.appointment_external_id AND a.synced_at >= d.last_synced_at
                )
                AND NOT EXISTS (
                    SELECT
                    FROM appointment_drafts AS n
                    WHERE n.appointment_external_id = d.appointment_external_id AND n.action IN ('move', 'cancel')
                        AND (n.status = 'ready' OR n.status = 'sent' AND n.last_synced_at > d.last_synced_at)
                )
            )
        )
        AND coalesce(e.event_type, made.event_type, d.event_type) <> 'MEMO'
        AND coalesce(d.start_at, e.start_at, made.start_at) >= '1900-01-01'
        AND coalesce(d.start_at, e.start_at, made.start_at) < '2200-01-01'
),
wanted AS (
    SELECT
        said.*,
        CASE
            WHEN is_all_day THEN tsrange(
                date_trunc('day', start_at AT TIME ZONE 'America/Toronto')
                AT TIME ZONE 'America/Toronto' AT TIME ZONE 'UTC',
                (
                    date_trunc('day', start_at AT TIME ZONE 'America/Toronto')
                    + make_interval(days => greatest(1, (minutes + 1439) / 1440))
                )
                AT TIME ZONE 'America/Toronto' AT TIME ZONE 'UTC'
            )
            ELSE tsrange(
                start_at AT TIME ZONE 'UTC', (start_at AT TIME ZONE 'UTC') + make_interval(mins => minutes + buffer_minutes)
            )
        END AS busy
    FROM said
),
others AS (
    SELECT
        w.id, b.external_id AS other, b.client_external_id AS client, b.busy, b.buffer_minutes
    FROM wanted AS w
    INNER JOIN v_calendar_busy AS b
        ON b.busy && tsrange(lower(w.busy) - interval '3 hours', upper(w.busy) + interval '3 hours')
        AND b.technician_external_id = w.technician
    WHERE NOT w.is_sent
        AND b.external_id IS DISTINCT FROM w.event
        AND NOT EXISTS (
            -- The draft's own visit, though nobody here knows it as such.
            SELECT
            FROM gazelle_appointments AS a
            WHERE a.external_id = b.external_id AND position(w.mark IN a.notes) > 0
        )
        AND NOT EXISTS (
            SELECT
            FROM appointment_drafts AS m
            WHERE m.appointment_external_id = b.external_id
                AND (
                    m.status = 'ready' AND m.action IN ('move', 'cancel')
                    OR m.joint_key = w.joint_key
                    OR (
                        m.status = 'sent' AND m.action IN ('create', 'move', 'cancel') AND EXISTS (
                            SELECT
                            FROM gazelle_appointments AS a
                            WHERE a.external_id = b.external_id AND a.synced_at < m.last_synced_at
                        )
                    )
                )
        )
    UNION ALL
    SELECT w.id, CASE WHEN o.is_sent THEN o.event ELSE 'draft:' || o.id END, o.client, o.busy, o.buffer_minutes
    FROM wanted AS w
    INNER JOIN wanted AS o
        ON o.technician = w.technician AND (o.is_sent OR o.id < w.id) AND (o.event = w.event) IS NOT TRUE
        AND (o.joint_key = w.joint_key) IS NOT TRUE
        AND o.minutes <= 2880 -- longer ones stay here
    WHERE NOT w.is_sent
),
places AS (
    SELECT DISTINCT ON (l.client_external_id) l.client_external_id AS client, l.latitude, l.longitude
    FROM gazelle_locations AS l
    WHERE l.deleted_at IS NULL
        AND l.latitude IS NOT NULL
        AND l.longitude IS NOT NULL
        AND l.client_external_id IN (SELECT client FROM wanted UNION SELECT client FROM others)
    ORDER BY l.client_external_id, l.id
)
SELECT w.id, CASE WHEN o.busy && w.busy THEN 'conflict' ELSE 'no_time_to_travel' END, o.other
FROM wanted AS w
INNER JOIN others AS o ON o.id = w.id
LEFT JOIN places AS here ON here.client = w.client
LEFT JOIN places AS there ON there.client = o.client AND o.client <> w.client
WHERE o.busy && w.busy
    OR NOT isempty(w.busy) AND NOT isempty(o.busy) AND NOT w.is_all_day
    AND here.client IS NOT NULL AND there.client IS NOT NULL
    AND 60 * 1.33 / w.km_per_hour * 2 * 6371 * asin(least(1, sqrt(
        power(sin(radians(there.latitude - here.latitude) / 2), 2)
        + cos(radians(here.latitude)) * cos(radians(there.latitude))
        * power(sin(radians(there.longitude - here.longitude) / 2), 2)
    ))) > extract(
        epoch FROM CASE
            WHEN lower(o.busy) >= upper(w.busy)
                THEN lower(o.busy) - upper(w.busy) + make_interval(mins => w.buffer_minutes)
            ELSE lower(w.busy) - upper(o.busy) + make_interval(mins => o.buffer_minutes)
        END
    ) / 60
ORDER BY w.id, 2, o.other
