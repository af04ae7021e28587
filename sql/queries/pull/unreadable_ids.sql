-- Records that the newest run which tried could not read, or not as they are.
SELECT external_id FROM sync_unreadable WHERE entity = {name}
