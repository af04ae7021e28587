-- What a technician's file says now of events that are new in it or have changed.
INSERT INTO calendar_exports AS x (technician_external_id, appointment_external_id, digest, sequence, changed_at)
SELECT %(technician)s, event, digest, sequence, %(now)s
FROM unnest(%(events)s::text[], %(digests)s::text[], %(sequences)s::integer[]) AS said (event, digest, sequence)
ON CONFLICT (technician_external_id, appointment_external_id) DO UPDATE
SET digest = excluded.digest, sequence = greatest(x.sequence, excluded.sequence), changed_at = excluded.changed_at
