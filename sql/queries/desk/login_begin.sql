-- Note a try to sign in, unless too many failed in the last 15 minutes: 5 of one name from one address, 20 of one address,
-- 50 of one name. Gives the try's id, or for how many seconds no other is looked at.
WITH old AS (
    DELETE FROM desk_logins WHERE at < now() - interval '30 days'
),
failed AS (
    SELECT
        (array_agg(l.at ORDER BY l.at DESC) FILTER (WHERE l.name = %(name)s AND l.address = %(address)s))[5] AS fifth,
        (array_agg(l.at ORDER BY l.at DESC) FILTER (WHERE l.address = %(address)s))[20] AS twentieth,
        (array_agg(l.at ORDER BY l.at DESC) FILTER (WHERE l.name = %(name)s))[50] AS fiftieth
    FROM desk_logins AS l
    WHERE NOT l.succeeded AND l.at > now() - interval '15 minutes' AND (l.name = %(name)s OR l.address = %(address)s)
),
held AS (
    SELECT extract(epoch FROM greatest(fifth, twentieth, fiftieth) + interval '15 minutes' - now()) AS wait_s FROM failed
),
noted AS (
    INSERT INTO desk_logins (name, address, succeeded)
    SELECT %(name)s, %(address)s, false
    FROM held
    WHERE wait_s IS NULL
    RETURNING id
)
SELECT (SELECT id FROM noted), held.wait_s::double precision FROM held
