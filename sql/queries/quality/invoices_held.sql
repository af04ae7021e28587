-- Drafts that are held: their numbers, and what the check and Gazelle computed.
SELECT id, total, gazelle_total FROM invoice_drafts WHERE status = 'held' ORDER BY id
