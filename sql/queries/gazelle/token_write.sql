-- Keep a token, unless a newer one is there.
INSERT INTO public.sync_tokens (api_url, sealed, created_at)
VALUES (%(url)s, %(sealed)s, %(created_at)s)
ON CONFLICT (api_url) DO UPDATE
SET sealed = excluded.sealed, created_at = excluded.created_at, updated_at = clock_timestamp()
WHERE sync_tokens.created_at <= excluded.created_at
