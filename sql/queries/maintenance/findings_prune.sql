-- Most notes have an ordinary reading. Those are kept only where a reading has opened an alert that they may end. DISTINCT
-- lets the planner expect few: it has no statistics of what this transaction has written.
DELETE FROM maintenance_findings
WHERE effect = 'normal'
    AND subject NOT IN (SELECT DISTINCT subject FROM maintenance_findings WHERE is_reading AND effect <> 'normal')
