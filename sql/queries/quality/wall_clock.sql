-- What PostgreSQL's own time zone database makes of instants.
SELECT instant, instant AT TIME ZONE 'America/Toronto'
FROM unnest(%(instants)s::timestamptz[]) AS instant
