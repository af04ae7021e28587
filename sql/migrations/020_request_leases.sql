-- The budget of requests, shared by every process that uses this database: tokens, as many as requests in a window (a
-- second, as a rule), of which a process holds some for a term and asks again before the term ends. One statement serves
-- many requests, so that the way to the database costs no token, however long it is.
--
-- The rule that everything rests on: a holder makes no request with a token that could arrive later than one window
-- before `until`, and the next holder makes none before `until`. So two requests with one token arrive a window apart, and
-- no window sees more arrivals than there are tokens.
--
-- One row of system_settings holds it: '{"holder": ["…", null, …], "until": [seconds since 1970, …]}', by this server's
-- clock, the only one that all processes share. A process that dies lets go when its term ends.

-- Give tokens back, renew the others that this process holds, and take more until it holds as many as it wants: free ones
-- first, then from whoever holds the most, until both hold alike. Who holds none is given one in any case, after the terms
-- that were promised before.
--
-- wanted: 0 gives all of `returned` back and renews nothing. returned, free_in_s: tokens that are given back, and the
-- seconds from now after which they may be used. term_s: how long a token is held from the start of its term.
--
-- token, starts_in_s, ends_in_s: every token that this process holds now, and the seconds from `present` until it may be
-- used and until the next holder may.
CREATE OR REPLACE FUNCTION public.gazelle_lease_requests(
    me text, wanted integer, tokens integer, term_s double precision,
    returned integer[], free_in_s double precision[],
    OUT token integer[], OUT starts_in_s double precision[], OUT ends_in_s double precision[]
)
LANGUAGE plpgsql
AS $$
DECLARE
    budget jsonb;
    holder text[];
    until double precision[];
    present double precision;
    start double precision;
    held integer;
    richest text;
    most integer;
    n integer;
BEGIN
    INSERT INTO public.system_settings (key, value) VALUES ('request_leases', '{}') ON CONFLICT (key) DO NOTHING;
    SELECT s.value::jsonb INTO budget FROM public.system_settings AS s WHERE s.key = 'request_leases' FOR UPDATE;
    present := extract(epoch FROM clock_timestamp());  -- after the wait for the row
    IF (SELECT max(u.at::double precision) FROM jsonb_array_elements_text(budget -> 'until') AS u (at)) > present + 60 THEN
        budget := '{}';  -- the clock was set back: what it said before is not believed
    END IF;
    FOR n IN 0 .. greatest(tokens, jsonb_array_length(coalesce(budget -> 'until', '[]'))) - 1 LOOP
        holder[n + 1] := budget -> 'holder' ->> n;
        until[n + 1] := coalesce((budget -> 'until' ->> n)::double precision, 0);
        IF until[n + 1] <= present AND holder[n + 1] IS DISTINCT FROM me THEN
            holder[n + 1] := NULL;
        END IF;
    END LOOP;
    FOR n IN 1 .. cardinality(returned) LOOP
        IF holder[returned[n]] = me THEN
            holder[returned[n]] := NULL;
            until[returned[n]] := least(until[returned[n]], present + free_in_s[n]);
        END IF;
    END LOOP;
    token := '{}';
    starts_in_s := '{}';
    ends_in_s := '{}';
    held := 0;
    IF wanted > 0 THEN
        FOR n IN 1 .. tokens LOOP
            IF holder[n] = me THEN
                until[n] := greatest(until[n], present + term_s);
                held := held + 1;
                token := token || n;
                starts_in_s := starts_in_s || 0.0::double precision;  -- its holder knows since when it may be used
                ends_in_s := ends_in_s || until[n] - present;
            END IF;
        END LOOP;
    END IF;
    WHILE held < least(wanted, tokens) LOOP
        SELECT t.n INTO n
        FROM generate_series(1, tokens) AS t (n)
        WHERE holder[t.n] IS NULL
        ORDER BY until[t.n], t.n
        LIMIT 1;
        IF n IS NULL THEN
            SELECT holder[t.n], count(*) INTO richest, most
            FROM generate_series(1, tokens) AS t (n)
            WHERE holder[t.n] <> me
            GROUP BY 1
            ORDER BY 2 DESC, min(until[t.n]), 1
            LIMIT 1;
            EXIT WHEN richest IS NULL OR (held > 0 AND most <= held + 1);
            SELECT t.n INTO n
            FROM generate_series(1, tokens) AS t (n)
            WHERE holder[t.n] = richest
            ORDER BY until[t.n], t.n
            LIMIT 1;
        END IF;
        start := greatest(present, until[n]);
        holder[n] := me;
        until[n] := start + term_s;
        held := held + 1;
        token := token || n;
        starts_in_s := starts_in_s || start - present;
        ends_in_s := ends_in_s || until[n] - present;
    END LOOP;
    UPDATE public.system_settings AS s
    SET value = jsonb_build_object('holder', to_jsonb(holder), 'until', to_jsonb(until))::text,
        updated_at = clock_timestamp()
    WHERE s.key = 'request_leases';
END
$$;

DROP FUNCTION IF EXISTS public.gazelle_take_request(integer, double precision, double precision, double precision);
DROP FUNCTION IF EXISTS public.gazelle_request_arrived(integer, double precision, double precision);
DELETE FROM public.system_settings WHERE key = 'api_budget';
