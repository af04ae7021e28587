-- How many living timeline entries production holds of each Montreal day since one, and of all days before it (null), with
-- the number of days and of the rows that hold their counts.
SELECT CASE WHEN day >= coalesce(%(since)s::date, '-infinity') THEN day END, sum(entries)::bigint, count(*), sum(parts)
FROM (SELECT day, sum(entries) AS entries, count(*) AS parts FROM sync_timeline_days GROUP BY day) AS days
GROUP BY 1
