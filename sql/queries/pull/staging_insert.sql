-- Stage versions of one answer; those whose rows are written in the same transaction say so.
INSERT INTO {staging} ({columns})
SELECT
    v.id, v.external_id, v.raw_data, v.content_hash, v.gazelle_updated_at, v.is_unsettled, v.replaced_characters,
    %(fetched_at)s, %(run_id)s, %(unlisted)s,
    CASE WHEN v.is_processed THEN 'processed' ELSE 'pending' END,
    CASE WHEN v.is_processed THEN %(fetched_at)s::timestamptz END,
    v.is_processed::integer
FROM ROWS FROM (
    unnest(%(ids)s::uuid[]), unnest(%(external_ids)s::text[]), jsonb_array_elements(%(bodies)s::jsonb),
    unnest(%(hashes)s::bytea[]), unnest(%(stamps)s::timestamptz[]), unnest(%(unsettled)s::boolean[]),
    unnest(%(replaced)s::integer[]), unnest(%(processed)s::boolean[])
) AS v (
    id, external_id, raw_data, content_hash, gazelle_updated_at, is_unsettled, replaced_characters, is_processed
)
