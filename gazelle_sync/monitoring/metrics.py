"""`gazelle-sync metrics`: metrics for Prometheus, read from the shop's database at each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.monitoring.status import EntityStatus, read_status
from gazelle_sync.notifications import ledger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import borrow

PREFIX = "gazelle_sync_"
STATUSES = ("success", "warning", "error", "running")


class Collector:
    """Reads the database each time that Prometheus asks.

    Args:
        settings: With `database_url` filled in.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> Iterator[Any]:
        """The metrics; `gazelle_sync_database_up` is 0, and alone, where the database cannot be read."""
        from prometheus_client.core import GaugeMetricFamily

        try:
            found = [*self._entities(), *self._measures(), *self._runs(), *self._alerts()]
        except GazelleSyncError:
            found = []
        is_up = 1.0 if found else 0.0
        yield GaugeMetricFamily(f"{PREFIX}database_up", "Whether the database can be read.", value=is_up)
        yield from found

    def _entities(self) -> Iterator[Any]:
        rows = read_status(self._settings)
        gauges: tuple[tuple[str, str, Callable[[EntityStatus], float | None]], ...] = (
            ("age_seconds", "Since the start of the last successful pull.", lambda row: row.age_s),
            ("rows", "Living rows.", lambda row: row.rows),
            ("staging_backlog_size", "Staged versions that wait to be applied.", lambda row: row.backlog),
            ("records_in_error", "Records in error.", lambda row: row.errors),
            ("is_red", "Whether `status` shows it red.", lambda row: row.light == "red"),
        )
        for name, text, value in gauges:
            yield _gauge(name, text, "entity", {row.entity: value(row) for row in rows})

    def _measures(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

        with borrow(str(self._settings.database_url)) as connection:
            rows = connection.execute(statement("monitoring/metrics_measures")).fetchall()
        for place, name, text in (
            (2, "stage1_fetch_duration_seconds", "Time of stage 1."),
            (4, "stage2_reconcile_duration_seconds", "Time of stage 2."),
        ):
            summary = SummaryMetricFamily(PREFIX + name, text, labels=["entity"])
            for row in rows:
                summary.add_metric([row[0]], count_value=row[1], sum_value=row[place])
            yield summary
        for place, name, text in (
            (3, "stage1_records_fetched", "Bodies read."),
            (5, "stage2_records_processed", "Staged versions applied."),
            (6, "stage2_errors", "Records that could not be read or applied, once for each run that tried."),
        ):
            counter = CounterMetricFamily(PREFIX + name, text, labels=["entity"])
            for row in rows:
                counter.add_metric([row[0]], float(row[place]))
            yield counter

    def _runs(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        with borrow(str(self._settings.database_url)) as connection:
            rows = connection.execute(statement("monitoring/status_runs")).fetchall()
        last = next((row for row in rows if row[2] != "running"), None)
        if last is not None:
            yield _gauge("last_run_status", "1 for how it ended.", "status", {s: s == last[2] for s in STATUSES})
            if last[4] is not None:
                yield GaugeMetricFamily(f"{PREFIX}last_run_duration_seconds", "Of the last run.", value=last[4])
            started = last[3].timestamp()
            yield GaugeMetricFamily(f"{PREFIX}last_run_timestamp_seconds", "When it began.", value=started)

    def _alerts(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        with borrow(str(self._settings.database_url)) as connection:
            status = ledger.read_ledger_status(connection)
        yield GaugeMetricFamily(f"{PREFIX}alerts_open", "Open incidents.", value=len(status.open))
        yield GaugeMetricFamily(
            f"{PREFIX}alerts_undelivered", "Alerts that could not be delivered so far.", value=status.undelivered
        )


def _gauge(name: str, text: str, label: str, values: dict[str, float | None]) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    gauge = GaugeMetricFamily(PREFIX + name, text, labels=[label])
    for key, value in values.items():
        if value is not None:
            gauge.add_metric([key], float(value))
    return gauge


def serve_metrics(settings: Settings, host: str, port: int) -> tuple[Any, Any]:
    """Serve metrics on a thread; gives the server and its thread.

    Args:
        settings: With `database_url` filled in.
        host: Address to listen on.
        port: 0 takes any that is free.

    Raises:
        GazelleSyncError: The port is taken, or the address is not this machine's.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(settings))
    try:
        return start_http_server(port, addr=host, registry=registry)
    except (OSError, OverflowError) as error:
        raise GazelleSyncError(
            gettext(
                "{address} cannot be used ({reason}). Is another `gazelle-sync metrics` running? Choose another port: "
                "gazelle-sync metrics --port {next}",
                address=f"{host}:{port}",
                reason=error,
                next=port + 1,
            )
        ) from error
