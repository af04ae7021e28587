-- An outage of this database, as the file kept it meanwhile.
INSERT INTO alert_log (
    occurrence, kind, rule, subjects, severity, title, text, recipient, status, attempts, opened_at, sent_at, next_try_at
)
VALUES (
    %(occurrence)s, 'alert', %(rule)s, ARRAY['database'], 'error', %(title)s, %(text)s, %(recipient)s, %(status)s,
    %(attempts)s, %(since)s, %(sent_at)s, CASE WHEN %(status)s = 'pending' THEN now() END
)
ON CONFLICT (occurrence, kind, recipient) DO NOTHING
