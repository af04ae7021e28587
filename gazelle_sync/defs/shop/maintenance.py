"""Maintenance alerts as Dagster sees them: an asset that reads new notes, its checks, and the digest.

The scan is a job of its own, which follows a pull that brought notes: a tick that brings none stays as small as it is.
The digest is another job, on a schedule.
"""

import inspect
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.shop.following import SAID
from gazelle_sync.defs.sync.assets import OWNERS, code_references, code_version
from gazelle_sync.defs.sync.checks import local_checks
from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.defs.sync.jobs import MAX_RUNTIME_TAG
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.notifications.notices import post
from gazelle_sync.quality.registry import MAINTENANCE
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import Settings
from gazelle_sync.shop.maintenance import reading
from gazelle_sync.shop.maintenance.digest import is_anything_new, take_digest
from gazelle_sync.shop.maintenance.render import describe_scan
from gazelle_sync.shop.maintenance.scan import ScanReport, scan
from gazelle_sync.warehouse.migrate import migrate, pending
from gazelle_sync.warehouse.pool import borrow

GROUP = "shop"
ALERTS = "maintenance_alerts"
OP = "scan_notes"
SCAN_JOB = "scan_maintenance"
DIGEST_JOB = "tell_maintenance"
DIGEST = "maintenance_digest"
"""How `alert_log` names the digest."""
LONGEST_SCAN_S = 3600

REPORTS: dict[str, ScanReport] = {}
"""Run id → what each scan of this process did: the command line prints that of the run that it started."""


class ScanConfig(dg.Config):
    """What to read."""

    everything: bool = Field(default=False, description="Read all notes again, not only what is new.")


def scan_config(**options: Any) -> dict[str, Any]:
    """The run config; Dagster's own lines stay out of the terminal (they are in the UI)."""
    return {
        "ops": {OP: {"config": options}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def maintenance_asset() -> dg.AssetsDefinition:
    """The alerts, brought up to date by reading what is new."""
    code = Path(inspect.getfile(reading))

    @dg.multi_asset(
        name=OP,
        specs=[
            dg.AssetSpec(
                ALERTS,
                description="What notes and readings say of covers, power, tanks and climate, and what became of it.",
                deps=["gazelle_timeline_entries", "gazelle_piano_measurements"],
                group_name=GROUP,
                kinds={"postgres", "table"},
                owners=OWNERS,
                code_version=code_version(code),
                metadata={**metadata_of(ALERTS), **code_references(code)},
            )
        ],
        can_subset=True,
    )
    def scan_notes(context: dg.AssetExecutionContext, config: ScanConfig) -> dg.MaterializeResult[None]:
        try:
            with embedded_services(Settings.load(), api=False) as settings:
                log.configure_once(settings)
                report = scan(settings, everything=config.everything)
        except GazelleSyncError as error:
            raise failure_of(error) from None
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
    try:
        with embedded_services(Settings.load(), api=False) as settings:
            log.configure_once(settings)
            migrate(str(settings.database_url))
            take = partial(take_digest, language=settings.language)
            digest = post(settings, DIGEST, settings.maintenance_urls, take)
    except GazelleSyncError as error:
        raise failure_of(error) from None
    context.add_output_metadata({"alerts told": digest.alerts if digest is not None else 0})


def scan_job(tags: Mapping[str, str]) -> "dg.UnresolvedAssetJobDefinition":
    """The job that follows a pull which brought notes.

    Args:
        tags: Of each of its runs.
    """
    return dg.define_asset_job(
        SCAN_JOB,
        selection=dg.AssetSelection.assets(ALERTS),
        description="Reads the notes that are new, and brings the maintenance alerts up to date. A sensor starts it "
        "when a pull has brought notes.",
        config=scan_config(everything=False),
        tags={MAX_RUNTIME_TAG: str(LONGEST_SCAN_S), **tags},
    )


def digest_job(tags: Mapping[str, str]) -> dg.JobDefinition:
    """The job that tells what is new.

    Args:
        tags: Of each of its runs.
    """

    @dg.job(
        name=DIGEST_JOB,
        executor_def=dg.in_process_executor,
        description="Tells which maintenance alerts are open and new, each once.",
        tags=dict(tags),
    )
    def tell_maintenance() -> None:
        send_digest()

    return tell_maintenance


@dg.schedule(
    name="tell_in_the_morning",
    cron_schedule="30 7 * * *",
    job_name=DIGEST_JOB,
    execution_timezone=MONTREAL.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The digest of new maintenance alerts at 07:30 Montreal, where there is something new.",
)
def tell_in_the_morning(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Starts the digest when there is something to tell."""
    del context
    with log.unexpected_errors_reported():
        yield _told_now(Settings.load())


def _told_now(settings: Settings) -> dg.RunRequest | dg.SkipReason:
    if settings.database_url is None:
        return dg.SkipReason("There is no database yet.")
    try:
        if pending(settings.database_url):
            return dg.SkipReason("The database is not up to date yet: the next run migrates it.")
        with borrow(settings.database_url) as connection:
            return dg.RunRequest() if is_anything_new(connection) else dg.SkipReason("There is nothing new to tell.")
    except GazelleSyncError as error:
        return dg.SkipReason(f"The database cannot be asked: {error}")
