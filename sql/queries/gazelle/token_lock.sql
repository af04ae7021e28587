-- Lock the token of one API until the transaction ends, and show that it can be written.
UPDATE public.sync_tokens SET updated_at = clock_timestamp() WHERE api_url = %s RETURNING sealed, created_at
