-- Begin an import. The caller holds the lock of imports, so one that still says running was left by a killed process.
WITH killed AS (
    UPDATE import_runs
    SET status = 'error', ended_at = now(), updated_at = now(), error_message = 'The process was killed, or the machine '
        'went down. What it had committed is kept; the next import does the rest.'
    WHERE status = 'running'
)
INSERT INTO import_runs (folder, source, client_external_id, run_id)
VALUES (%(folder)s, %(source)s, %(client)s, %(run_id)s)
RETURNING id
