"""A long history of the timeline, made by SQL on both sides: equal in number and in days, as a tick compares them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg

AT_GAZELLE = """
WITH RECURSIVE made (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM made WHERE n < :entries)
INSERT INTO record (kind, id, occurred_at, body)
SELECT 'timeline', id, occurred_at, CAST(
    '{"id": "' || id || '", "occurredAt": "' || occurred_at || '", "type": "SYSTEM_MESSAGE", "summary": "Histoire", '
    || '"clientId": "' || (SELECT id FROM record WHERE kind = 'clients' LIMIT 1) || '"}'
    AS BLOB
)
FROM (
    SELECT
        'tme_history' || n AS id,
        strftime('%Y-%m-%dT%H:%M:%SZ', '2004-01-01T12:00:00Z', '+' || ((n - 1) % 7000) || ' days') AS occurred_at
    FROM made
)
"""
HERE = (
    """
    INSERT INTO gazelle_timeline_entries (external_id, occurred_at, entry_type, title)
    SELECT
        'tme_history' || n, timestamptz '2004-01-01 12:00+00' + ((n - 1) %% 7000) * interval '24 hours',
        'SYSTEM_MESSAGE', 'Histoire'
    FROM generate_series(1, %(entries)s) AS n
    """,
    """
    INSERT INTO staging_timeline (external_id, raw_data, content_hash, fetched_at, sync_status)
    SELECT
        'tme_history' || n, jsonb_build_object('id', 'tme_history' || n), decode(md5(n::text), 'hex'), now(),
        'processed'
    FROM generate_series(1, %(entries)s) AS n
    """,
    """
    INSERT INTO search_entries (kind, external_id, happened_at, words)
    SELECT 'note', external_id, occurred_at, to_tsvector('simple', 'histoire')
    FROM gazelle_timeline_entries
    WHERE starts_with(external_id, 'tme_history')
    """,
    "TRUNCATE search_unread, maintenance_unread",
    "VACUUM ANALYZE gazelle_timeline_entries",
    "VACUUM ANALYZE search_entries",
    "VACUUM ANALYZE staging_timeline",
)


def make_history_at_gazelle(file: Path, entries: int) -> None:
    """Add entries to the file of a sandbox that does not run: of 7000 days from 2004 on."""
    with sqlite3.connect(file) as database:
        database.execute(AT_GAZELLE, {"entries": entries})
    database.close()


def make_history_here(url: str, entries: int) -> None:
    """Add the same entries to a database, as if they had been pulled."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in HERE:
            connection.execute(statement, {"entries": entries} if "%(" in statement else None)
