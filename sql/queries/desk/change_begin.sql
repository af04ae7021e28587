-- Note a change before it begins; of a form that came before, the row that is there, and whether it has ended. What was
-- refused changed nothing: its form may come again. So may one whose end nobody knows, where doing it twice does it once.
WITH noted AS (
    INSERT INTO desk_changes AS c (who, action, record, field, details, form_key)
    VALUES (%(who)s, %(action)s, %(record)s, %(field)s, %(details)s, %(key)s)
    ON CONFLICT (form_key) DO UPDATE
    SET at = clock_timestamp(), who = excluded.who, action = excluded.action, record = excluded.record,
        field = excluded.field, details = excluded.details, ended_at = NULL, refusal = NULL
    WHERE c.refusal IS NOT NULL OR (%(again)s AND c.ended_at IS NULL)
    RETURNING id, at
)
SELECT id, at, true, false FROM noted
UNION ALL
SELECT c.id, c.at, false, c.ended_at IS NOT NULL
FROM desk_changes AS c
WHERE c.form_key = %(key)s AND NOT EXISTS (SELECT FROM noted)
