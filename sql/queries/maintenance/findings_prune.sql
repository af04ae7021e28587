-- Most notes have an ordinary reading. Those are kept only where a reading has opened an alert that they may end.
WITH opened AS MATERIALIZED (
    SELECT DISTINCT subject FROM maintenance_findings WHERE is_reading AND effect <> 'normal'
)
DELETE FROM maintenance_findings AS f
WHERE f.effect = 'normal' AND NOT EXISTS (SELECT FROM opened WHERE opened.subject = f.subject)
