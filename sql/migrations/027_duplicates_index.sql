-- Imported entries that are marked as duplicates are looked up by the entry that they repeat whenever such an entry is
-- written: without an index, every imported entry would be read.
CREATE INDEX IF NOT EXISTS gazelle_timeline_entries_duplicates
    ON public.gazelle_timeline_entries (duplicate_of)
    WHERE duplicate_of IS NOT NULL;
