-- In the sandbox's database, once and only into an empty table: edits of the shop that wait to be sent, to see them go.
WITH first_time AS (
    INSERT INTO system_settings (key, value)
    SELECT 'example_edits', 'written'
    WHERE NOT EXISTS (SELECT FROM vincent_dindy_piano_updates)
    ON CONFLICT (key) DO NOTHING
    RETURNING key
),
chosen AS (
    SELECT p.external_id, row_number() OVER (ORDER BY p.calculated_last_service DESC NULLS LAST, p.external_id) AS place
    FROM gazelle_pianos AS p
    WHERE p.deleted_at IS NULL AND p.status = 'ACTIVE' AND p.serial_number <> '' AND p.client_external_id IS NOT NULL
    LIMIT 3
)
INSERT INTO vincent_dindy_piano_updates (gazelle_id, status, notes, observations, travail, a_faire, completed_at, updated_by)
SELECT
    chosen.external_id, edit.status, edit.notes, edit.observations, edit.travail, edit.a_faire,
    CASE WHEN edit.travail IS NOT NULL THEN now() - interval '1 hour' END, edit.updated_by
FROM chosen
CROSS JOIN first_time
INNER JOIN (
    VALUES
    (1, 'problematic', 'Deux cordes cassées dans les aigus : à remplacer avant le concert de jeudi.', NULL, NULL, NULL, 'Allan'),
    (2, 'top', NULL, 'Mécanique régulière, marteaux poncés en juin.', 'Accord complet à 440 Hz. 22°, 43 %', NULL, 'Nick'),
    (3, 'normal', NULL, NULL, NULL, 'Rapporter la housse, elle est à l''atelier.', 'Allan')
) AS edit (place, status, notes, observations, travail, a_faire, updated_by) ON edit.place = chosen.place
