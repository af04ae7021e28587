-- Imported records of which the source said Gazelle's id: each gives way when Gazelle's own record turns up.
CREATE INDEX IF NOT EXISTS staging_import_gazelle_id
    ON public.staging_import (gazelle_id) WHERE gazelle_id IS NOT NULL;
