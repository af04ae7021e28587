"""The daily digest of payments. Invoices themselves go with the push, which has their tables as its assets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from gazelle_sync.defs.services import run_if_due, step_services
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.notifications.notices import CASH_JOB, tell_cash
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.shop.billing.digest import is_due
from gazelle_sync.warehouse.migrate import migrate


@dg.op(name="send_cash_digest")
def send_cash_digest(context: dg.OpExecutionContext) -> None:
    """Tell what was paid since the digest before, once a day."""
    with step_services(context) as settings:
        migrate(str(settings.database_url))
        digest = tell_cash(settings)
    context.add_output_metadata({"payments told": digest.payments if digest is not None else 0})


def cash_job(tags: Mapping[str, str]) -> dg.JobDefinition:
    """The job that tells what was paid.

    Args:
        tags: Of each of its runs.
    """

    @dg.job(
        name=CASH_JOB,
        executor_def=dg.in_process_executor,
        description="Tells what was paid since the digest before, each payment once, one digest a day.",
        tags=dict(tags),
    )
    def job() -> None:
        send_cash_digest()

    return job


@dg.schedule(
    name="tell_cash_in_the_evening",
    # Each hour after it as well: a scheduler that was off at 18:00 tells late rather than never.
    cron_schedule=["0 18 * * *", "5 19-23 * * *"],
    job_name=CASH_JOB,
    execution_timezone=MONTREAL.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The digest of payments at 18:00 Montreal, where something was paid.",
)
def tell_cash_in_the_evening(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Starts the digest when there is something to tell."""
    with unexpected_errors_reported():
        return told_now(Settings.load(), datetime.now(UTC))


def told_now(settings: Settings, now: datetime) -> dg.RunRequest | dg.SkipReason:
    """Whether to tell now."""
    nothing = "Nothing was paid that was not told, or today's digest was sent."
    return run_if_due(settings, partial(is_due, now=now), nothing)
