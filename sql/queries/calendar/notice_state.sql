-- When the last complete scan of appointments began and was written down, since when notices are made, and which daily list
-- was made last.
SELECT key, value, updated_at
FROM system_settings
WHERE key = 'last_sync_date.appointments' OR starts_with(key, 'calendar.notices.')
