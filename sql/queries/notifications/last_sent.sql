-- When the last alert for the same incident was stored, if within the cool-down.
SELECT max(coalesce(sent_at, opened_at)) AS told_at
FROM alert_log
WHERE rule = %(rule)s
    AND subjects && %(subjects)s
    AND kind = 'alert'
    AND status <> 'withdrawn'
    AND coalesce(sent_at, opened_at) > now() - %(cool_down)s::interval
HAVING count(*) > 0
