-- The drafts that cancel the later occurrences of recurring events.
SELECT d.id
FROM gazelle_appointments AS first
INNER JOIN gazelle_appointments AS later
    ON later.recurrence_id = first.recurrence_id AND later.start_at > first.start_at
INNER JOIN appointment_drafts AS d
    ON d.appointment_external_id = later.external_id AND d.action = 'cancel' AND d.status IN ('ready', 'held')
WHERE first.external_id IN (SELECT gazelle.bare_id(one) FROM unnest(%(events)s::text[]) AS one)
ORDER BY d.id
