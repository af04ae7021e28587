"""Fixtures of the alert tests: runs are recorded in a shop's database by hand, and the alerts evaluated on them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import ApiUnreachable, GazelleSyncError
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.incidents.watch import WatchResult, watch
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.settings import Settings
from gazelle_sync_tests.support.receivers import Webhook, webhook

UNREACHABLE = ApiUnreachable(
    "ClientsStamps", "Gazelle cannot be reached (refused). Check GAZELLE_API_URL and the network."
)


class RunRecorder:
    """Records runs in a shop's database, and evaluates the alerts on them."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.settings = Settings(database_url=url, home=home, language="en")
        self._runs = 0

    def query(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query, or the effect of a statement."""
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def run(self, *, seconds: float = 1.0, mode: str = "tick", **failures: GazelleSyncError) -> str:
        """Record a pull of every entity; those named failed."""
        self._runs += 1
        run_id = f"run-{self._runs}"
        reports = {e.name: EntityReport() for e in ENTITIES}
        for name, error in failures.items():
            reports[name].fail(error)
        stats = {name: report.as_stats() for name, report in reports.items()}
        self.query(
            "INSERT INTO sync_logs (run_id, task_type, mode, status, duration_s, stats, error_message) "
            "VALUES (%s, 'pull', %s, %s, %s, %s, %s)",
            run_id,
            mode,
            "error" if failures else "success",
            seconds,
            Jsonb(stats),
            "\n".join(map(str, failures.values())) or None,
        )
        return run_id

    def synced(self, ago: timedelta, *entities: str) -> None:
        """Set how long ago entities (none: all) were last pulled."""
        for entity in entities or [entity.name for entity in ENTITIES]:
            self.query(
                "INSERT INTO system_settings (key, value, updated_at) VALUES (%s, %s, %s) "
                "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at",
                f"last_sync_date.{entity}",
                (datetime.now(UTC) - ago).isoformat(),
                datetime.now(UTC) - ago,
            )

    def error(self, entity: str, count: int) -> None:
        """Stage records that are in error."""
        self.query(
            f"INSERT INTO staging_{entity} "  # noqa: S608 - the tests' own names
            "(external_id, raw_data, fetched_at, sync_status, error_message, processed_at) "
            "SELECT 'bad_' || n, '{}', now(), 'error', 'wrong', now() FROM generate_series(1, %s) AS n",
            count,
        )

    def look(self, ended: EndedRun | None = None, **changes: Any) -> WatchResult:
        """Evaluate the alerts, with some settings changed."""
        return watch(self.settings.replace(**changes), ended)

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows of `alert_log`."""
        return self.query("SELECT kind, rule, status, state FROM alert_log ORDER BY id")

    def hasten(self) -> None:
        """End every wait before another attempt."""
        self.query("UPDATE alert_log SET next_try_at = now() WHERE next_try_at IS NOT NULL")


@pytest.fixture
def recorder(database: str, tmp_path: Path) -> RunRecorder:
    """A healthy shop."""
    recorder = RunRecorder(database, tmp_path / "home")
    recorder.synced(timedelta(minutes=1))
    return recorder


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """A webhook that records what it receives."""
    with webhook() as receiver:
        yield receiver
