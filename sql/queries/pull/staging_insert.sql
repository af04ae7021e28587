-- Stage versions of one answer; those whose rows are written in the same transaction say so.
INSERT INTO {staging} ({columns})
SELECT
    v.id, v.external_id, v.raw_data::jsonb, v.content_hash, v.gazelle_updated_at, v.is_unsettled, v.replaced_characters,
    %(fetched_at)s, %(run_id)s, %(unlisted)s,
    CASE WHEN v.is_processed THEN 'processed' ELSE 'pending' END,
    CASE WHEN v.is_processed THEN %(fetched_at)s::timestamptz END,
    v.is_processed::integer
FROM unnest(
    %(ids)s::uuid[], %(external_ids)s::text[], %(bodies)s::text[], %(hashes)s::bytea[], %(stamps)s::timestamptz[],
    %(unsettled)s::boolean[], %(replaced)s::integer[], %(processed)s::boolean[]
) AS v (
    id, external_id, raw_data, content_hash, gazelle_updated_at, is_unsettled, replaced_characters, is_processed
)
