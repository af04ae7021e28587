-- Take a token of the request budget: which, until when it is ours, and the seconds to wait before sending.
SELECT token, free_at, wait_s
FROM gazelle_take_request(%(tokens)s, %(window_s)s, %(spacing_s)s, %(transit_s)s)
