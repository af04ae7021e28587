-- Encrypt a token with another key, unless it has changed meanwhile.
UPDATE public.sync_tokens
SET sealed = %(sealed)s, updated_at = clock_timestamp()
WHERE api_url = %(url)s AND sealed = %(before)s
