"""Runs the peer (dlt_source.py) in its own environment."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from gazelle_sync.entities import ENTITIES, Strategy
from gazelle_sync.gazelle import documents
from gazelle_sync_tests.benchmarks.process import Took, run
from gazelle_sync_tests.benchmarks.servers import Server
from gazelle_sync_tests.support.sandbox import RunningSandbox

PYTHON = documents.DIRECTORY.parents[2] / ".venv-bench" / "bin" / "python"
SOURCE = Path(__file__).with_name("dlt_source.py")
PAGE_SIZE = 1000

WAYS = {
    "dlt_insert": ("--format", "insert_values", "--strategy", "delete-insert"),
    "dlt_csv": ("--format", "csv", "--strategy", "upsert"),
}
"""dlt's default, and the way that is reputed to be faster. Which one is depends on the size; the faster one counts."""


@dataclass(frozen=True)
class PeerTook:
    """What dlt took.

    Attributes:
        process: The whole process.
        seconds: Of it, the pipeline's: extract, normalize, load.
        rows: Rows that it loaded.
    """

    process: Took
    seconds: float
    rows: int


def pull(where: Server, sandbox: RunningSandbox, *options: str) -> PeerTook:
    """Load the whole account into a fresh database."""
    task = where.home / "task.json"
    task.write_text(json.dumps(_task(sandbox)), encoding="utf-8")
    return _run(where, ["--task", str(task), *options])


def load(where: Server, pages: Path, *options: str) -> PeerTook:
    """Load pages of the timeline from memory into a fresh database."""
    return _run(where, ["--pages", str(pages), *options])


def _run(where: Server, options: list[str]) -> PeerTook:
    database = where.new_database("peer")
    state = where.home / database
    command = [str(PYTHON), str(SOURCE), "--host", where.socket, "--database", database]
    try:
        took = run(
            [*command, "--pipelines-dir", str(state), *options],
            {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "DLT_DATA_DIR": str(state)},
        )
        rows = _rows(where.url(database))
    finally:
        where.drop(database)
        shutil.rmtree(state, ignore_errors=True)
    said = json.loads(took.output.splitlines()[-1])
    return PeerTook(took, float(said["seconds"]), rows)


def _rows(url: str) -> int:
    """Rows in the tables of the entities (dlt's own counts of CSV files are of something else)."""
    total = 0
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = 'peer' AND table_name NOT LIKE '\\_dlt%' AND table_name NOT LIKE '%\\_\\_%'"
        ).fetchall()
        for (table,) in tables:
            row = connection.execute(sql.SQL("SELECT count(*) FROM peer.{}").format(sql.Identifier(table))).fetchone()
            total += int(row[0]) if row else 0
    return total


def _task(sandbox: RunningSandbox) -> dict[str, Any]:
    """The same entities, fields and pages as ours: the texts are ours."""
    return {
        "url": sandbox.url,
        "key": sandbox.api_key,
        "page_size": PAGE_SIZE,
        "entities": [
            {
                "name": entity.name,
                "root": entity.root,
                "operation": entity.page_operation,
                "text": documents.operation(entity.name, entity.page_operation),
                "variables": {"sortBy": [entity.stable_sort]} if entity.sort_enum else {},
                "is_list": entity.strategy is Strategy.WHOLE_LIST,
            }
            for entity in ENTITIES
        ],
    }
