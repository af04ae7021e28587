-- Views: the only place where local time exists.

CREATE OR REPLACE VIEW public.external_id_mapping AS
SELECT 'users'::text AS entity, external_id, id FROM public.gazelle_users
UNION ALL
SELECT 'products', external_id, id FROM public.gazelle_products
UNION ALL
SELECT 'clients', external_id, id FROM public.gazelle_clients
UNION ALL
SELECT 'contacts', external_id, id FROM public.gazelle_contacts
UNION ALL
SELECT 'locations', external_id, id FROM public.gazelle_locations
UNION ALL
SELECT 'pianos', external_id, id FROM public.gazelle_pianos
UNION ALL
SELECT 'piano_measurements', external_id, id FROM public.gazelle_piano_measurements
UNION ALL
SELECT 'invoices', external_id, id FROM public.gazelle_invoices
UNION ALL
SELECT 'invoice_items', external_id, id FROM public.gazelle_invoice_items
UNION ALL
SELECT 'appointments', external_id, id FROM public.gazelle_appointments
UNION ALL
SELECT 'appointment_pianos', external_id, id FROM public.gazelle_appointment_pianos
UNION ALL
SELECT 'timeline', external_id, id FROM public.gazelle_timeline_entries;
COMMENT ON VIEW public.external_id_mapping IS 'Gazelle''s ids beside the integer ids of the production tables.';

-- From the instant, never from the bare time: a time without its date takes today's daylight saving, and midnight UTC
-- is another day in Montreal.
CREATE OR REPLACE VIEW public.v_appointments_montreal AS
SELECT
    a.external_id,
    a.title,
    a.client_external_id,
    a.appointment_date,
    a.appointment_time,
    a.start_at AT TIME ZONE 'America/Toronto' AS starts_at_montreal,
    (a.start_at AT TIME ZONE 'America/Toronto')::date AS date_montreal,
    CASE
        WHEN a.is_all_day IS NOT TRUE THEN (a.start_at AT TIME ZONE 'America/Toronto')::time
    END AS time_montreal,
    nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), '') AS technician,
    a.status,
    a.technician_external_id,
    a.event_type,
    a.duration_minutes,
    c.display_name AS client
FROM public.gazelle_appointments AS a
LEFT JOIN public.gazelle_users AS u ON u.external_id = a.technician_external_id
LEFT JOIN public.gazelle_clients AS c ON c.external_id = a.client_external_id
WHERE a.deleted_at IS NULL;
COMMENT ON VIEW public.v_appointments_montreal IS
    'The calendar as the wall clock in Montreal shows it. appointment_date and appointment_time stay UTC, as stored.';
COMMENT ON COLUMN public.v_appointments_montreal.time_montreal IS 'Null for an event that lasts all day.';

CREATE OR REPLACE VIEW public.v_sync_dashboard AS
SELECT 'users'::text AS entity, sync_status, count(*) AS count, min(fetched_at) AS oldest_record, max(fetched_at) AS newest_record
FROM public.staging_users
GROUP BY sync_status
UNION ALL
SELECT 'products', sync_status, count(*), min(fetched_at), max(fetched_at) FROM public.staging_products GROUP BY sync_status
UNION ALL
SELECT 'clients', sync_status, count(*), min(fetched_at), max(fetched_at) FROM public.staging_clients GROUP BY sync_status
UNION ALL
SELECT 'pianos', sync_status, count(*), min(fetched_at), max(fetched_at) FROM public.staging_pianos GROUP BY sync_status
UNION ALL
SELECT 'invoices', sync_status, count(*), min(fetched_at), max(fetched_at) FROM public.staging_invoices GROUP BY sync_status
UNION ALL
SELECT 'appointments', sync_status, count(*), min(fetched_at), max(fetched_at)
FROM public.staging_appointments
GROUP BY sync_status
UNION ALL
SELECT 'timeline', sync_status, count(*), min(fetched_at), max(fetched_at) FROM public.staging_timeline GROUP BY sync_status;
COMMENT ON VIEW public.v_sync_dashboard IS 'How many staged versions of each entity are pending, processed and in error.';

-- An error that a newer version of the same record has replaced is nobody's concern any more.
CREATE OR REPLACE VIEW public.v_sync_errors AS
SELECT 'users'::text AS entity, s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, s.error_stack, s.run_id
FROM public.staging_users AS s
WHERE s.sync_status = 'error' AND NOT EXISTS (
    SELECT FROM public.staging_users AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at
)
UNION ALL
SELECT 'products', s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, s.error_stack, s.run_id
FROM public.staging_products AS s
WHERE s.sync_status = 'error' AND NOT EXISTS (
    SELECT FROM public.staging_products AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at
)
UNION ALL
SELECT 'clients', s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, s.error_stack, s.run_id
FROM public.staging_clients AS s
WHERE s.sync_status = 'error' AND NOT EXISTS (
    SELECT FROM public.staging_clients AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at
)
UNION ALL
SELECT 'pianos', s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, s.error_stack, s.run_id
FROM public.staging_pianos AS s
WHERE s.sync_status = 'error' AND NOT EXISTS (
    SELECT FROM public.staging_pianos AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at
)
UNION ALL
SELECT 'invoices', s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, s.error_stack, s.run_id
FROM public.staging_invoices AS s
WHERE s.sync_status = 'error' AND NOT EXISTS (
    SELECT FROM public.staging_invoices AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at
)
UNION ALL
SELECT 'appointments', s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, s.error_stack, s.run_id
FROM public.staging_appointments AS s
WHERE s.sync_status = 'error' AND NOT EXISTS (
    SELECT FROM public.staging_appointments AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at
)
UNION ALL
SELECT 'timeline', s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, s.error_stack, s.run_id
FROM public.staging_timeline AS s
WHERE s.sync_status = 'error' AND NOT EXISTS (
    SELECT FROM public.staging_timeline AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at
);
COMMENT ON VIEW public.v_sync_errors IS
    'Records whose newest version could not be applied, and why. rejected_at: set aside by the guard against mass emptying.';

CREATE OR REPLACE VIEW public.v_sync_health AS
WITH unprocessed AS (
    SELECT 'users'::text AS entity, sync_status, fetched_at, processed_at
    FROM public.staging_users WHERE sync_status <> 'processed'
    UNION ALL
    SELECT 'products', sync_status, fetched_at, processed_at FROM public.staging_products WHERE sync_status <> 'processed'
    UNION ALL
    SELECT 'clients', sync_status, fetched_at, processed_at FROM public.staging_clients WHERE sync_status <> 'processed'
    UNION ALL
    SELECT 'pianos', sync_status, fetched_at, processed_at FROM public.staging_pianos WHERE sync_status <> 'processed'
    UNION ALL
    SELECT 'invoices', sync_status, fetched_at, processed_at FROM public.staging_invoices WHERE sync_status <> 'processed'
    UNION ALL
    SELECT 'appointments', sync_status, fetched_at, processed_at
    FROM public.staging_appointments WHERE sync_status <> 'processed'
    UNION ALL
    SELECT 'timeline', sync_status, fetched_at, processed_at FROM public.staging_timeline WHERE sync_status <> 'processed'
)
SELECT
    entities.entity,
    watermark.last_sync_at,
    now() - watermark.last_sync_at AS age,
    count(*) FILTER (WHERE u.sync_status = 'pending') AS backlog,
    min(u.fetched_at) FILTER (WHERE u.sync_status = 'pending') AS backlog_since,
    count(*) FILTER (WHERE u.sync_status = 'error') AS errors,
    count(*) FILTER (
        WHERE u.sync_status = 'error' AND coalesce(u.processed_at, u.fetched_at) > now() - interval '1 hour'
    ) AS errors_last_hour
FROM unnest(
    ARRAY['users', 'products', 'clients', 'pianos', 'invoices', 'appointments', 'timeline']
) WITH ORDINALITY AS entities (entity, place)
LEFT JOIN LATERAL (
    -- A value that is no instant must not take the whole view down with it.
    SELECT CASE WHEN value ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d' THEN value::timestamptz END AS last_sync_at
    FROM public.system_settings
    WHERE key = 'last_sync_date.' || entities.entity
) AS watermark ON true
LEFT JOIN unprocessed AS u ON u.entity = entities.entity
GROUP BY entities.entity, entities.place, watermark.last_sync_at
ORDER BY entities.place;
COMMENT ON VIEW public.v_sync_health IS
    'Of each entity: when it was last in step with Gazelle, what waits to be applied, what failed.';

CREATE OR REPLACE VIEW public.v_piano_history AS
SELECT
    history.piano_external_id,
    history.kind,
    history.date_montreal,
    history.time_montreal,
    history.title,
    history.details,
    nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), '') AS technician,
    history.technician_external_id,
    history.occurred_at,
    history.external_id
FROM (
    SELECT
        t.piano_external_id,
        'note'::text AS kind,
        (t.occurred_at AT TIME ZONE 'America/Toronto')::date AS date_montreal,
        (t.occurred_at AT TIME ZONE 'America/Toronto')::time AS time_montreal,
        t.title,
        t.description AS details,
        t.user_external_id AS technician_external_id,
        t.occurred_at,
        t.external_id
    FROM public.gazelle_timeline_entries AS t
    WHERE t.deleted_at IS NULL AND t.duplicate_of IS NULL AND t.piano_external_id IS NOT NULL
    UNION ALL
    SELECT
        p.piano_external_id,
        'visit',
        (a.start_at AT TIME ZONE 'America/Toronto')::date,
        CASE WHEN a.is_all_day IS NOT TRUE THEN (a.start_at AT TIME ZONE 'America/Toronto')::time END,
        a.title,
        a.notes,
        a.technician_external_id,
        a.start_at,
        a.external_id
    FROM public.gazelle_appointment_pianos AS p
    INNER JOIN public.gazelle_appointments AS a ON a.external_id = p.appointment_external_id
    WHERE a.deleted_at IS NULL AND p.deleted_at IS NULL
    UNION ALL
    SELECT
        m.piano_external_id,
        'measurement',
        m.taken_on,
        NULL,
        NULL,
        concat_ws(
            ', ', 'humidity ' || m.humidity || ' %', 'temperature ' || m.temperature || '°', 'A4 pitch ' || m.a4_pitch
        ),
        NULL,
        NULL,
        m.external_id
    FROM public.gazelle_piano_measurements AS m
    WHERE m.deleted_at IS NULL
) AS history
LEFT JOIN public.gazelle_users AS u ON u.external_id = history.technician_external_id
ORDER BY history.piano_external_id, history.date_montreal, history.occurred_at, history.external_id;
COMMENT ON VIEW public.v_piano_history IS
    'What was noted, done and measured at a piano, oldest first, with Montreal dates. Imported twins are left out.';

-- Short names. Living rows only; ask the table in schema public for the others.
CREATE OR REPLACE VIEW gazelle.users AS SELECT * FROM public.gazelle_users WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.products AS SELECT * FROM public.gazelle_products WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.clients AS SELECT * FROM public.gazelle_clients WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.contacts AS SELECT * FROM public.gazelle_contacts WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.locations AS SELECT * FROM public.gazelle_locations WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.pianos AS SELECT * FROM public.gazelle_pianos WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.piano_measurements AS
SELECT * FROM public.gazelle_piano_measurements WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.invoices AS SELECT * FROM public.gazelle_invoices WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.invoice_items AS SELECT * FROM public.gazelle_invoice_items WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.appointments AS SELECT * FROM public.gazelle_appointments WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.appointment_pianos AS
SELECT * FROM public.gazelle_appointment_pianos WHERE deleted_at IS NULL;
CREATE OR REPLACE VIEW gazelle.timeline_entries AS
SELECT * FROM public.gazelle_timeline_entries WHERE deleted_at IS NULL;
