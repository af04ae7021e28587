-- When the last scan of appointments began and was written down, whether it was incomplete, since when notices are made, and
-- which daily list was made last.
SELECT key, value, updated_at
FROM system_settings
WHERE key IN ('last_sync_date.appointments', 'partial_scan.appointments') OR starts_with(key, 'calendar.notices.')
