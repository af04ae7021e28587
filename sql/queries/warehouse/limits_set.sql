-- Limits of the transaction that is open. Null leaves one as it is.
SELECT
    set_config('statement_timeout', %(statement)s, true),
    set_config('lock_timeout', coalesce(%(lock)s, current_setting('lock_timeout')), true)
