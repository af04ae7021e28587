-- Store a pending recovery message for each recipient of the alert.
INSERT INTO alert_log (
    occurrence, kind, rule, subjects, severity, state, title, text, run_id, recipient, status, opened_at, recovered_at,
    next_try_at
)
SELECT
    occurrence, 'recovery', rule, subjects, severity, 'recovered', %(title)s, %(text)s, run_id, recipient,
    CASE WHEN status = 'logged' THEN 'logged' ELSE 'pending' END, opened_at, now(), now()
FROM alert_log
WHERE occurrence = %(occurrence)s AND kind = 'alert' AND status <> 'withdrawn'
ON CONFLICT (occurrence, kind, recipient) DO NOTHING
