-- When Gazelle was last read: of pianos and their notes the earlier.
SELECT min(value) FROM system_settings WHERE key IN ('last_sync_date.pianos', 'last_sync_date.timeline')
