-- Every open incident, once, oldest first.
SELECT occurrence, rule, subjects, severity, title, opened_at, run_id
FROM (
    SELECT DISTINCT ON (occurrence) id, occurrence, rule, subjects, severity, title, opened_at, run_id
    FROM alert_log
    WHERE state = 'open' AND kind = 'alert'
    ORDER BY occurrence, id
) AS open
ORDER BY id
