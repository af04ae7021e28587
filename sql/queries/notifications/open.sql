-- Every open incident, once, oldest first. A database that is behind by a migration has no details.
SELECT occurrence, rule, subjects, severity, title, opened_at, run_id, details
FROM (
    SELECT DISTINCT ON (a.occurrence)
        a.id, a.occurrence, a.rule, a.subjects, a.severity, a.title, a.opened_at, a.run_id,
        to_jsonb(a) -> 'details' AS details
    FROM alert_log AS a
    WHERE a.state = 'open' AND a.kind = 'alert'
    ORDER BY a.occurrence, a.id
) AS open
ORDER BY id
