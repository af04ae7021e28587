-- What lies a day back is nobody's concern any more.
DELETE FROM notice_views
WHERE since IS NULL AND coalesce(greatest(told_at, found_at), '-infinity') < %(now)s::timestamptz - interval '1 day'
    OR greatest(told_at, found_at) < %(now)s::timestamptz - interval '8 days'
