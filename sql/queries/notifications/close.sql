-- Close an incident.
UPDATE alert_log
SET state = 'recovered', recovered_at = now()
WHERE occurrence = %s AND state = 'open'
