"""Maintenance alerts as Dagster sees them: an asset that reads new notes, its checks, and the digest.

The scan is a job of its own, which follows a pull that brought notes: a tick that brings none stays as small as it is.
The digest is another job, on a schedule.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from gazelle_sync.defs.services import run_if_due, step_services
from gazelle_sync.defs.shop.following import SAID, following_job, shop_spec
from gazelle_sync.defs.sync.checks import local_checks
from gazelle_sync.defs.sync.jobs import QUIET
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.notifications.notices import MAINTENANCE_JOB, tell_maintenance
from gazelle_sync.quality.registry import MAINTENANCE
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.shop.maintenance import reading
from gazelle_sync.shop.maintenance.digest import is_anything_new
from gazelle_sync.shop.maintenance.render import describe_scan
from gazelle_sync.shop.maintenance.scan import ScanReport, scan
from gazelle_sync.warehouse.migrate import migrate

ALERTS = "maintenance_alerts"
OP = "scan_notes"
SCAN_JOB = "scan_maintenance"

REPORTS: dict[str, ScanReport] = {}
"""Run id → what each scan of this process did: the command line prints that of the run that it started."""


class ScanConfig(dg.Config):
    """What to read."""

    everything: bool = Field(default=False, description="Read all notes again, not only what is new.")


def scan_config(**options: Any) -> dict[str, Any]:
    """The run config."""
    return {"ops": {OP: {"config": options}}, **QUIET}


def maintenance_asset() -> dg.AssetsDefinition:
    """The alerts, brought up to date by reading what is new."""

    @dg.multi_asset(
        name=OP,
        specs=[
            shop_spec(
                ALERTS,
                "What notes and readings say of covers, power, tanks and climate, and what became of it.",
                ["gazelle_timeline_entries", "gazelle_piano_measurements"],
                reading,
                {"postgres", "table"},
            )
        ],
        can_subset=True,
    )
    def scan_notes(context: dg.AssetExecutionContext, config: ScanConfig) -> dg.MaterializeResult[None]:
        with step_services(context) as settings:
            report = scan(settings, everything=config.everything)
        REPORTS[context.run.run_id] = report
        SAID[context.run.run_id] = describe_scan(settings.language, report)
        return dg.MaterializeResult(
            metadata={
                "notes read": report.notes,
                "all notes": report.is_whole,
                "opened": report.opened,
                "suggested": report.suggested,
                "resolved": report.resolved,
                "withdrawn": report.withdrawn,
            }
        )

    return scan_notes


def maintenance_checks() -> dg.AssetChecksDefinition:
    """The checks at the alerts."""
    return local_checks("maintenance_checks", [MAINTENANCE])


@dg.op(name="send_digest")
def send_digest(context: dg.OpExecutionContext) -> None:
    """Tell what is open and new, once."""
    with step_services(context) as settings:
        migrate(str(settings.database_url))
        digest = tell_maintenance(settings)
    context.add_output_metadata({"alerts told": digest.alerts if digest is not None else 0})


def scan_job(tags: Mapping[str, str]) -> "dg.UnresolvedAssetJobDefinition":
    """The job that follows a pull which brought notes.

    Args:
        tags: Of each of its runs.
    """
    return following_job(
        SCAN_JOB,
        [ALERTS],
        "Reads the notes that are new, and brings the maintenance alerts up to date. A sensor starts it when a pull "
        "has brought notes.",
        tags,
        config=scan_config(everything=False),
    )


def digest_job(tags: Mapping[str, str]) -> dg.JobDefinition:
    """The job that tells what is new.

    Args:
        tags: Of each of its runs.
    """

    @dg.job(
        name=MAINTENANCE_JOB,
        executor_def=dg.in_process_executor,
        description="Tells which maintenance alerts are open and new, each once.",
        tags=dict(tags),
    )
    def job() -> None:
        send_digest()

    return job


@dg.schedule(
    name="tell_in_the_morning",
    cron_schedule="30 7 * * *",
    job_name=MAINTENANCE_JOB,
    execution_timezone=MONTREAL.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The digest of new maintenance alerts at 07:30 Montreal, where there is something new.",
)
def tell_in_the_morning(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Starts the digest when there is something to tell."""
    with unexpected_errors_reported():
        return run_if_due(Settings.load(), is_anything_new, "There is nothing new to tell.")
