-- Claim the oldest message that is due. One whose sender was killed is claimed again. A recovery waits until the alert
-- itself was delivered.
UPDATE alert_log AS taken
SET status = 'sending',
    attempts = taken.attempts + 1,
    claimed_at = now(),
    was_interrupted = taken.was_interrupted OR taken.status = 'sending'
WHERE taken.id = (
    SELECT due.id
    FROM alert_log AS due
    WHERE due.status IN ('pending', 'sending', 'failed')
        AND due.recipient = ANY (%(recipients)s)
        AND CASE due.status
            WHEN 'sending' THEN due.claimed_at < now() - %(claim_lasts)s::interval
            ELSE due.next_try_at <= now()
        END
        AND NOT EXISTS (
            SELECT FROM alert_log AS before
            WHERE due.kind = 'recovery'
                AND before.occurrence = due.occurrence
                AND before.recipient = due.recipient
                AND before.kind = 'alert'
                AND before.status NOT IN ('sent', 'withdrawn')
        )
    ORDER BY due.id
    LIMIT 1
    FOR UPDATE OF due SKIP LOCKED
)
RETURNING taken.id, taken.kind, taken.severity, taken.title, taken.text, taken.recipient, taken.was_interrupted
