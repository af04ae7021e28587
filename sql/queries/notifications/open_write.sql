-- Store a new incident: one pending message for each recipient.
INSERT INTO alert_log (
    occurrence, kind, rule, subjects, severity, title, text, run_id, recipient, status, opened_at, next_try_at
)
SELECT
    %(occurrence)s, 'alert', %(rule)s, %(subjects)s, %(severity)s, %(title)s, %(text)s, %(run_id)s, recipient,
    %(status)s, now(), coalesce(%(not_before)s, now())
FROM unnest(%(recipients)s::text[]) AS recipient
ON CONFLICT (occurrence, kind, recipient) DO NOTHING
