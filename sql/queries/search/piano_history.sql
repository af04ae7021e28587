-- What was noted and done at a piano, the newest first.
SELECT kind, date_montreal, time_montreal, title, details, technician, external_id
FROM v_piano_history
WHERE piano_external_id = %(id)s AND kind <> 'measurement' AND (%(before)s::date IS NULL OR date_montreal < %(before)s)
ORDER BY date_montreal DESC, occurred_at DESC, external_id
LIMIT %(most)s
