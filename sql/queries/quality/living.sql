-- How many records we hold of those that Gazelle lists: living rows, less those that it answers for by id only, and
-- those that are staged and cannot be applied.
SELECT
    (SELECT count(*) FROM {table} WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')),
    (
        SELECT count(*)
        FROM {staging} AS s
        WHERE s.is_unlisted
            AND s.rejected_at IS NULL
            AND jsonb_typeof(s.raw_data) <> 'null'
            AND EXISTS (
                SELECT FROM {table} AS held
                WHERE held.external_id = s.external_id AND held.deleted_at IS NULL AND NOT held.is_stub
            )
            AND NOT EXISTS (
                SELECT FROM {staging} AS newer
                WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
            )
    ),
    (
        SELECT count(*)
        FROM {staging} AS s
        WHERE s.sync_status <> 'processed'
            AND s.rejected_at IS NULL
            AND jsonb_typeof(s.raw_data) <> 'null'
            AND NOT EXISTS (
                SELECT FROM {table} AS held
                WHERE held.external_id = s.external_id AND held.deleted_at IS NULL AND NOT held.is_stub
            )
            AND NOT EXISTS (
                SELECT FROM {staging} AS newer
                WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
            )
    )
