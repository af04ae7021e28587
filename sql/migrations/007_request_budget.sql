-- The budget of requests, shared by every process that uses this database: so many tokens a second. A token comes back
-- one window after the request that took it has surely arrived at the API, so no second ever sees more arrivals than
-- there are tokens, whatever the jitter of the way. (Slots handed out at an even pace were not enough: a request that
-- was sent late met the next ones, and the server counted eleven.)
--
-- One row of system_settings holds it: '{last start, token 1 free at, token 2 free at, …}', seconds since 1970 by this
-- server's clock, the only one that all of them share.

CREATE OR REPLACE FUNCTION public.gazelle_take_request(
    tokens integer, window_s double precision, spacing_s double precision, transit_s double precision,
    OUT token integer, OUT free_at double precision, OUT wait_s double precision
)
LANGUAGE plpgsql
AS $$
DECLARE
    budget double precision[];
    present double precision;
    starts_at double precision;
BEGIN
    INSERT INTO public.system_settings (key, value) VALUES ('api_budget', '{0}') ON CONFLICT (key) DO NOTHING;
    SELECT s.value::double precision[] INTO budget
    FROM public.system_settings AS s
    WHERE s.key = 'api_budget'
    FOR UPDATE;
    present := extract(epoch FROM clock_timestamp());
    IF (SELECT max(held.at) FROM unnest(budget) AS held (at)) > present + 60 THEN
        budget := '{0}';  -- the clock was set back: what it said before is not believed
    END IF;
    SELECT n, greatest(present, budget[1] + spacing_s, coalesce(budget[n + 1], 0))
    INTO token, starts_at
    FROM generate_series(1, tokens) AS n
    ORDER BY coalesce(budget[n + 1], 0), n
    LIMIT 1;
    free_at := starts_at + transit_s + window_s;
    wait_s := starts_at - present;
    budget[1] := starts_at;
    budget[token + 1] := free_at;
    UPDATE public.system_settings AS s
    SET value = budget::text, updated_at = clock_timestamp()
    WHERE s.key = 'api_budget';
END
$$;

-- The answer is here: the request has arrived, at the latest now. Its token comes back one window from now, if that is
-- sooner than was assumed and nobody has taken it since.
CREATE OR REPLACE FUNCTION public.gazelle_request_arrived(
    token integer, free_at double precision, window_s double precision
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    budget double precision[];
BEGIN
    SELECT s.value::double precision[] INTO budget
    FROM public.system_settings AS s
    WHERE s.key = 'api_budget'
    FOR UPDATE;
    IF budget[token + 1] = free_at THEN
        budget[token + 1] := least(free_at, extract(epoch FROM clock_timestamp()) + window_s);
        UPDATE public.system_settings AS s SET value = budget::text WHERE s.key = 'api_budget';
    END IF;
END
$$;

DELETE FROM public.system_settings WHERE key = 'api_next_request_at';
