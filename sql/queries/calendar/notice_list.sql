-- The visits of a daily list, as notices that are due. Each visit is in a list of its kind once.
INSERT INTO notices (
    kind, appointment_external_id, technician_external_id, montreal_day, details, due_at, created_at
)
SELECT
    %(kind)s::text, a.external_id, a.technician_external_id, (a.start_at AT TIME ZONE 'America/Toronto')::date,
    jsonb_strip_nulls(
        jsonb_build_object(
            'client', c.display_name, 'title', nullif(a.title, ''), 'address', nullif(a.address_line, ''),
            'after', to_char(a.start_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')
        )
    ),
    %(now)s::timestamptz, %(now)s::timestamptz
FROM gazelle_appointments AS a
LEFT JOIN gazelle_clients AS c ON c.external_id = a.client_external_id
WHERE a.deleted_at IS NULL
    AND a.event_type = 'APPOINTMENT'
    AND a.technician_external_id IS NOT NULL
    AND CASE %(kind)s::text
        WHEN 'unconfirmed'
            THEN a.status = 'ACTIVE'
            AND a.confirmed_at IS NULL
            AND a.confirmed_by_client IS NOT TRUE
            AND (a.start_at AT TIME ZONE 'America/Toronto')::date = %(day)s::date + 1
        WHEN 'booked_long_ago'
            THEN a.status = 'ACTIVE'
            AND a.gazelle_created_at < %(hour)s::timestamptz - interval '90 days'
            AND (a.start_at AT TIME ZONE 'America/Toronto')::date BETWEEN %(day)s::date AND %(day)s::date + 7
            AND a.start_at >= %(now)s::timestamptz
        ELSE a.status IN ('ACTIVE', 'COMPLETE')
            -- Our own mark is no note.
            AND nullif(btrim(regexp_replace(a.notes, '\[gazelle_sync [0-9a-z-]+\]', '', 'g')), '') IS NULL
            -- Of days whose list was missed as well: their notes are still to be written.
            AND (a.start_at AT TIME ZONE 'America/Toronto')::date BETWEEN %(since)s::date AND %(day)s::date
            AND NOT EXISTS (
                SELECT
                FROM gazelle_timeline_entries AS t
                WHERE t.client_external_id = a.client_external_id
                    AND t.entry_type = 'SERVICE_ENTRY_MANUAL'
                    AND t.deleted_at IS NULL
                    AND (t.occurred_at AT TIME ZONE 'America/Toronto')::date = (a.start_at AT TIME ZONE 'America/Toronto')::date
            )
    END
    AND a.start_at BETWEEN %(hour)s::timestamptz - interval '16 days' AND %(hour)s::timestamptz + interval '10 days'
ON CONFLICT DO NOTHING
