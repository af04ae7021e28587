-- The token of one API, encrypted, and when Gazelle gave it.
SELECT sealed, created_at FROM public.sync_tokens WHERE api_url = %s
