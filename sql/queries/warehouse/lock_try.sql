-- Take an advisory lock if nobody holds it, and let its transaction idle while its holder works on other connections: which
-- server process holds it now.
SELECT
    pg_try_advisory_xact_lock(%s),
    pg_backend_pid(),
    set_config('idle_in_transaction_session_timeout', '0', true)
