-- The visits that a technician is told about. One event has one user, so a joint visit is two events, and Gazelle's own
-- programs make the second a personal block: it begins with the visit of another technician, and has its title or names its
-- client, or both came from one joint draft. Once its technician knows of it, it is a visit whatever becomes of the first.

CREATE OR REPLACE VIEW public.v_visits_to_tell AS
SELECT a.external_id, a.technician_external_id, a.client_external_id, a.start_at, a.event_type, a.synced_at
FROM public.gazelle_appointments AS a
WHERE a.deleted_at IS NULL
    AND a.status IS DISTINCT FROM 'CANCELED'
    AND a.technician_external_id IS NOT NULL
    AND a.start_at IS NOT NULL
    AND (
        a.event_type = 'APPOINTMENT'
        OR (
            a.event_type = 'PERSONAL'
            AND (
                EXISTS (
                    SELECT
                    FROM public.notice_views AS n
                    WHERE n.appointment_external_id = a.external_id AND n.told_at IS NOT NULL
                )
                OR EXISTS (
                    SELECT
                    FROM public.appointment_drafts AS d
                    WHERE d.appointment_external_id = a.external_id AND d.joint_key IS NOT NULL
                )
                OR EXISTS (
                    SELECT
                    FROM public.gazelle_appointments AS o
                    LEFT JOIN public.gazelle_clients AS c ON c.external_id = o.client_external_id
                    WHERE o.start_at = a.start_at
                        AND o.event_type = 'APPOINTMENT'
                        AND o.deleted_at IS NULL
                        AND o.status IS DISTINCT FROM 'CANCELED'
                        AND o.technician_external_id <> a.technician_external_id
                        AND (
                            lower(btrim(o.title)) = lower(btrim(a.title))
                            OR position(lower(nullif(btrim(c.display_name), '')) IN lower(a.title)) > 0
                        )
                )
            )
        )
    );
COMMENT ON VIEW public.v_visits_to_tell IS
    'The visits that a technician is told about: appointments, and the personal blocks that are the second half of a joint one.';

DO $$
BEGIN
    IF (
        SELECT count(*) < 3
        FROM pg_catalog.pg_roles
        WHERE rolname IN ('gazelle_reader', 'gazelle_writer', 'gazelle_owner')
    ) THEN
        RAISE NOTICE 'Nothing was granted: the three roles do not all exist.';
        RETURN;
    END IF;
    GRANT SELECT ON public.v_visits_to_tell TO gazelle_reader, gazelle_writer;
    GRANT ALL ON public.v_visits_to_tell TO gazelle_owner;
    ALTER VIEW public.v_visits_to_tell OWNER TO gazelle_owner;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'Not every right was given: %', SQLERRM;
END
$$;

SELECT gazelle.close_data_api('public.v_visits_to_tell');
