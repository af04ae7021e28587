-- Compare the counts of the days with the rows, and put right what differs (a table that was restored, a trigger that was
-- disabled). One statement sees both at one moment; what others change meanwhile adds its own differences.
INSERT INTO sync_timeline_days (day, entries)
SELECT day, sum(entries)
FROM (
    SELECT gazelle.timeline_day(occurred_at) AS day, count(*) AS entries
    FROM gazelle_timeline_entries
    WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL AND NOT starts_with(external_id, 'v4_')
    GROUP BY 1
    UNION ALL
    SELECT day, -sum(entries) FROM sync_timeline_days GROUP BY day
) AS compared
GROUP BY day
HAVING sum(entries) <> 0
RETURNING day
