-- Removes the tags of events that are gone.
DELETE FROM asset_event_tags AS t
WHERE
    t.event_timestamp < %(before)s AT TIME ZONE 'UTC'
    AND NOT EXISTS (SELECT FROM event_logs AS e WHERE e.id = t.event_id)
