"""The job that keeps Dagster's own storage from growing without end: nothing in Dagster prunes runs and events.

What the UI says of assets and checks stays as it was: of each asset and partition the newest materialization is kept,
of each check the newest evaluation, however old, with their runs. `DagsterInstance.delete_run` alone would take them
along.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg
from psycopg import sql

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.errors import DagsterDatabaseError, GazelleSyncError, first_line
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import connect, statement
from gazelle_sync.warehouse.limits import allow_long_statements

PRUNE = "prune_dagster"


@dataclass(frozen=True)
class Pruned:
    """What was removed.

    Attributes:
        runs: Runs, with all their events.
        events: Events of runs of which something is kept.
        evaluations: What was held of checks' evaluations.
    """

    runs: int
    events: int
    evaluations: int


def prune(instance: dg.DagsterInstance, before: datetime) -> Pruned:
    """Remove Dagster's runs that ended before an instant, with their events, but what the UI's present state rests on.

    Runs that have not ended stay whole. A kill on the way leaves some of the old, for the next night.

    Args:
        instance: With its storage in PostgreSQL.
        before: Aware UTC.

    Raises:
        GazelleSyncError: The storage is not in PostgreSQL, or cannot be reached.
    """
    url = getattr(instance.event_log_storage, "postgres_url", None)
    if url is None:
        raise DagsterDatabaseError(gettext("Dagster's storage is not in PostgreSQL: its old runs cannot be pruned."))
    kept, parameters = sql.SQL(statement("defs/dagster_kept")), {"before": before}
    try:
        with connect(url) as connection:
            allow_long_statements(connection)
            query = sql.SQL(statement("defs/dagster_old_runs")).format(kept=kept)
            runs = [run_id for (run_id,) in connection.execute(query, parameters)]
            connection.commit()
            for run_id in runs:
                instance.delete_run(run_id)
            allow_long_statements(connection)
            query = sql.SQL(statement("defs/dagster_prune_events")).format(kept=kept)
            events = connection.execute(query, parameters).rowcount
            evaluations = connection.execute(statement("defs/dagster_prune_checks"), parameters).rowcount
            connection.execute(statement("defs/dagster_prune_tags"), parameters)
    except psycopg.Error as error:
        raise DagsterDatabaseError(
            gettext(
                "Dagster's own database could not be pruned ({reason}). Nothing is lost; the next night tries again. "
                "Check GAZELLE_DAGSTER_POSTGRES_URL if it stays so.",
                reason=first_line(error),
            )
        ) from error
    return Pruned(len(runs), events, evaluations)


@dg.op(name="prune_runs_and_events")
def prune_runs_and_events(context: dg.OpExecutionContext) -> None:
    """Runs and events older than `GAZELLE_DAGSTER_RETENTION_DAYS`."""
    try:
        days = Settings.load().dagster_retention_days
        pruned = prune(context.instance, datetime.now(UTC) - timedelta(days=days))
    except GazelleSyncError as error:
        raise failure_of(error) from error
    context.add_output_metadata(
        {"days kept": days, "runs": pruned.runs, "events": pruned.events, "evaluations": pruned.evaluations}
    )


def prune_job() -> dg.JobDefinition:
    """The job."""

    @dg.job(
        name=PRUNE,
        executor_def=dg.in_process_executor,
        description="Removes Dagster's old runs and events. What the UI says of assets and checks stays.",
    )
    def prune_dagster() -> None:
        prune_runs_and_events()

    return prune_dagster


def prune_schedule() -> dg.ScheduleDefinition:
    """Every night, when the full run is done as a rule; it waits for nothing, and nothing waits for it."""
    return dg.ScheduleDefinition(
        name="prune_at_night",
        cron_schedule="40 4 * * *",
        job_name=PRUNE,
        execution_timezone=MONTREAL.key,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Dagster's old runs and events, at 04:40 Montreal.",
    )
