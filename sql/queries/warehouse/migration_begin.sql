-- Begin the transaction that applies a migration: no other process has one at the same time, and it waits for a table's
-- lock only briefly. With standard_conforming_strings off, a backslash in a file would have another meaning, and views
-- would keep that meaning.
BEGIN;
SELECT pg_advisory_xact_lock({lock});
SELECT set_config('statement_timeout', {long}, true), set_config('lock_timeout', {lock_wait}, true);
SET LOCAL standard_conforming_strings = on
