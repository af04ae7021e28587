-- Store a message that is no incident: one row for each recipient, and nothing that stays open.
INSERT INTO alert_log (
    occurrence, kind, rule, subjects, severity, state, title, text, recipient, status, opened_at, next_try_at
)
SELECT
    %(occurrence)s, 'notice', %(rule)s, '{}', 'warning', 'recovered', %(title)s, %(text)s, recipient, %(status)s, now(),
    now()
FROM unnest(%(recipients)s::text[]) AS recipient
