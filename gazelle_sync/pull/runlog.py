"""What a run leaves for people to read: its row of `sync_logs`, and the records that Gazelle names and cannot give."""

from __future__ import annotations

import time
from collections.abc import Mapping

from psycopg.types.json import Jsonb

from gazelle_sync.errors import cause_of
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.runtime.logs import describe_error
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, borrow, together


def measures(reports: Mapping[str, EntityReport]) -> dict[str, float]:
    """Five of the six measures that monitoring reads, over a whole run; durations in seconds, summed over the entities.

    The sixth, `staging_backlog_size`, is what the database holds when the run ends: `runlog_finish.sql` adds it.
    """
    return {
        "stage1_fetch_duration": round(sum(report.seconds_stage for report in reports.values()), 3),
        "stage1_records_fetched": sum(report.fetched for report in reports.values()),
        "stage2_reconcile_duration": round(sum(report.seconds_apply for report in reports.values()), 3),
        "stage2_records_processed": sum(report.processed for report in reports.values()),
        "stage2_errors": sum(report.errors for report in reports.values()),
    }


class RunLog:
    """The row of one run. The caller holds the pull's lock, so a row that still says `running` is of a killed run.

    Args:
        url: The shop's database.
        run_id: Of the Dagster run.
        mode: `tick`, `nightly`, `deep` or `replay`.
        task_type: `pull` or `replay`.
    """

    def __init__(self, url: str, run_id: str, mode: str, *, task_type: str = "pull") -> None:
        self._url = url
        self._run_id = run_id
        self._begun = time.monotonic()
        with borrow(url) as connection:
            parameters = {"run_id": run_id, "task_type": task_type, "mode": mode}
            [[(self.ended_orphaned_run,)]] = together(connection, (statement("pull/runlog_begin"), parameters))

    def finish(
        self,
        reports: Mapping[str, EntityReport],
        client: GazelleClient | None,
        error: BaseException | None,
        *also: Question,
    ) -> str:
        """Write how it ended.

        Args:
            reports: Of the entities.
            client: The API's; None: nothing was asked of it.
            error: What ended the run before its time; None: nothing did.
            also: What is written with it, in one transaction.

        Returns:
            `success`, `warning` (some records are in error, a scan was partial, or staging lacks rows) or `error`.
        """
        failures = [report.failure for report in reports.values() if report.failure]
        causes = {}
        if error is not None and not failures:
            failures = [describe_error(error)]
            causes = dict(zip(("cause", "cause_number"), cause_of(error), strict=True))
        doubtful = any(report.errors or report.partial or report.kept for report in reports.values())
        status = "error" if failures else "warning" if doubtful else "success"
        stats = {
            **{name: report.as_stats() for name, report in reports.items()},
            "measures": measures(reports),
            "requests": client.requests if client else 0,
            "bytes": client.bytes if client else 0,
            **causes,
        }
        with borrow(self._url) as connection:
            parameters = {
                "run_id": self._run_id,
                "status": status,
                "duration_s": round(time.monotonic() - self._begun, 3),
                "stats": Jsonb(stats),
                "error_message": "\n".join(failures) or None,
            }
            together(connection, *also, (statement("pull/runlog_finish"), parameters))
        return status


def note_unreadable(
    connection: Connection, entity: str, failed: Mapping[str, str], *, run_id: str, is_whole: bool
) -> None:
    """Make `sync_unreadable` say what this run could not read. Nothing is written where nothing changed.

    Args:
        connection: In no transaction that must not commit.
        entity: Its name.
        failed: Id → why.
        run_id: Of the Dagster run.
        is_whole: Whether the run tried every record that the runs before it could not read.
    """
    with connection.transaction():
        if failed:
            parameters = {"entity": entity, "ids": list(failed), "messages": list(failed.values()), "run_id": run_id}
            connection.execute(statement("pull/unreadable_note"), parameters)
        if is_whole:
            connection.execute(statement("pull/unreadable_forget"), {"entity": entity, "ids": list(failed)})
