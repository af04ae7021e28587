-- The request that took this token has arrived.
SELECT gazelle_request_arrived(%(token)s, %(free_at)s, %(window_s)s)
