-- Set the time limits of the current transaction. Null leaves a limit unchanged.
SELECT
    set_config('statement_timeout', %(statement)s, true),
    set_config('lock_timeout', coalesce(%(lock)s, current_setting('lock_timeout')), true)
