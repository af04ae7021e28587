"""The job that sends edits to Gazelle: one op, apart from the pull's assets.

Its pool is its own: the pull's would let an edit wait behind a long pull. The budget of requests is shared by way of
the database, whoever runs, and one push at a time is a matter of the push's lock.
"""

import traceback
from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.errors import GazelleSyncError, UnexpectedError, cause_of
from gazelle_sync.i18n import gettext
from gazelle_sync.push.session import Push, PushReport
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import Settings

PUSH_JOB = "push_to_gazelle"
POOL = "gazelle_push"
OP = "send_edits"
MOST_SHOWN = 50
LONGEST_PUSH_S = 2 * 3600
"""A push that takes longer hangs: Dagster ends it, so that the next may start."""

REPORTS: dict[str, PushReport] = {}
"""Run id → what came of each push of this process: the command line prints that of the run that it started. A report
holds what people wrote, so it is no output of the op, which Dagster would keep."""


class PushConfig(dg.Config):
    """What to push, and how."""

    pianos: list[str] | None = Field(default=None, description="Only these ids.")
    at_once: bool = Field(default=True, description="Also rows whose next try lies ahead because the last one failed.")
    undo: str | None = Field(default=None, description="Put back what this run changed instead.")


def push_config(**options: Any) -> dict[str, Any]:
    """The run config; Dagster's own lines stay out of the terminal (they are in the UI)."""
    return {
        "ops": {OP: {"config": options}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


@dg.op(name=OP, pool=POOL)
def send_edits(context: dg.OpExecutionContext, config: PushConfig) -> None:
    """Every row of the shop's tables that was edited since Gazelle had it last."""
    try:
        with embedded_services(Settings.load()) as settings:
            log.configure_once(settings)
            with Push(settings, keys=config.pianos, at_once=config.at_once, run_id=context.run_id) as push:
                report = push.undo(config.undo) if config.undo else push.run()
    except GazelleSyncError as error:
        raise failure_of(error) from None
    except Exception as error:
        # Its own words may quote what people wrote, and Dagster keeps them: where it happened is enough.
        log.get_logger("gazelle_sync.push").error("push died", where="".join(traceback.format_tb(error.__traceback__)))
        raise failure_of(
            UnexpectedError(
                gettext(
                    "The push died of a fault of gazelle_sync ({kind}). What was sent is noted, the rest waits for the "
                    "next push; the log file says where it happened.",
                    kind=type(error).__name__,
                ),
                cause=cause_of(error),
            )
        ) from None
    REPORTS[context.run_id] = report
    _tell(context, report)
    if report.stopped is not None:
        raise failure_of(GazelleSyncError(report.stopped, cause=report.cause))


def _tell(context: dg.OpExecutionContext, report: PushReport) -> None:
    """Numbers and ids; what people wrote stays in the shop's database."""
    context.add_output_metadata(
        {
            "rows": len(report.outcomes),
            "sent": report.sent,
            "failed": report.failed,
            "left": report.left,
            "requests": report.requests,
        }
    )
    failed = [outcome.key for outcome in report.outcomes if outcome.failed]
    if failed:
        shown = ", ".join(failed[:MOST_SHOWN])
        context.log.warning(f"{len(failed)} rows did not go: {shown}. gazelle-sync push --status says why.")


def push_job(tags: Mapping[str, str]) -> dg.JobDefinition:
    """The job.

    Args:
        tags: Of each of its runs.
    """

    @dg.job(
        name=PUSH_JOB,
        config=push_config(at_once=True),
        tags={"dagster/max_runtime": str(LONGEST_PUSH_S), **tags},
        executor_def=dg.in_process_executor,
        description="Sends what was edited in the shop's tables to Gazelle. A sensor starts it when a row is due.",
    )
    def push_to_gazelle() -> None:
        send_edits()

    return push_to_gazelle
