"""The assets of the push: the tables that people edit and the log of what was sent, in one op, and their checks.

The op's pool is its own: the pull's would let an edit wait behind a long pull. The budget of requests is shared by way
of the database, whoever runs, and one push at a time is a matter of the push's lock. The checks are an op apart,
without a pool, since the job `check` runs them too.
"""

import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.location import asset_key, pool_name, tag_run
from gazelle_sync.defs.sync.assets import OWNERS, code_references, code_version
from gazelle_sync.defs.sync.checks import local_checks
from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.errors import GazelleSyncError, UnexpectedError, cause_of
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Plural
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.session import Push, PushReport
from gazelle_sync.quality.registry import PUSH
from gazelle_sync.runtime import DESK_URL
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import borrow, together
from gazelle_sync.warehouse.relations import how_many

GROUP = "push"
POOL = "gazelle_push"
OP = "send_edits"
LOG = "sync_gazelle_logs"
MOST_SHOWN = 50

REPORTS: dict[str, PushReport] = {}
"""Run id → what came of each push of this process: the command line prints that of the run that it started. A report
holds what people wrote, so it is no output of the op, which Dagster would keep."""


class PushConfig(dg.Config):
    """What to push, and how."""

    pianos: list[str] | None = Field(default=None, description="Only these ids.")
    at_once: bool = Field(default=True, description="Also rows whose next try lies ahead because the last one failed.")
    tables: list[str] | None = Field(default=None, description="Only what people edited in these tables.")
    allow_deletes: bool = Field(default=False, description="Also end the records of many rows that were deleted here.")
    undo: str | None = Field(default=None, description="Put back what this run changed instead.")


def edits_assets() -> dg.AssetsDefinition:
    """One multi-asset: every table that people edit, and the log. Making any of them sends what is due of all."""

    @dg.multi_asset(
        name=OP,
        specs=[*(_edits_spec(pushable) for pushable in PUSHABLES), _log_spec()],
        can_subset=True,
        pool=pool_name(POOL),
    )
    def send_edits(context: dg.AssetExecutionContext, config: PushConfig) -> Iterator[dg.MaterializeResult[None]]:
        tag_run(context.instance, context.run)
        report, rows = _pushed(context, config)
        REPORTS[context.run.run_id] = report
        if failed := [outcome.key for outcome in report.outcomes if outcome.failed]:
            shown = ", ".join(failed[:MOST_SHOWN])
            said = gettext(Plural("{count} row did not go", "{count} rows did not go"), count=len(failed))
            context.log.warning(gettext("{rows}: {ids}. `gazelle-sync push --status` says why.", rows=said, ids=shown))
        for name, count in rows.items():
            if asset_key(name) in context.selected_asset_keys:
                # By way of the context it is written once; in the result it would be twice.
                metadata = {**count, **(_told(report) if name == LOG else {})}
                context.add_asset_metadata(metadata, asset_key=asset_key(name))
                yield dg.MaterializeResult(asset_key=asset_key(name))
        if report.stopped is not None:
            raise failure_of(GazelleSyncError(report.stopped, cause=report.cause))

    return send_edits


def push_checks() -> dg.AssetChecksDefinition:
    """The checks at those assets: what did not go, what waits, what is in doubt."""
    return local_checks("push_checks", PUSH)


def _pushed(context: dg.AssetExecutionContext, config: PushConfig) -> tuple[PushReport, dict[str, dict[str, Any]]]:
    """Push; what came of it, and table → number of its rows."""
    try:
        with embedded_services(Settings.load()) as settings:
            log.configure_once(settings)
            with Push(
                settings,
                keys=config.pianos,
                at_once=config.at_once,
                allow_deletes=config.allow_deletes,
                run_id=context.run.run_id,
                tables=config.tables,
            ) as push:
                report = push.undo(config.undo) if config.undo else push.run()
            return report, _row_counts(settings)
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


def _row_counts(settings: Settings) -> dict[str, dict[str, Any]]:
    tables = [*(pushable.table for pushable in PUSHABLES), LOG]
    with borrow(str(settings.database_url)) as connection:
        answers = together(connection, *(how_many(table, living=False) for table in tables))
    found: dict[str, dict[str, Any]] = {}
    for table, [(count, is_estimate)] in zip(tables, answers, strict=True):
        found[table] = {"dagster/row_count": count, **({"rows estimated": "by the planner"} if is_estimate else {})}
    return found


def _told(report: PushReport) -> dict[str, Any]:
    """Numbers; what people wrote stays in the shop's database."""
    return {
        "rows": len(report.outcomes),
        "sent": report.sent,
        "failed": report.failed,
        "left": report.left,
        "requests": report.requests,
    }


def _edits_spec(pushable: Pushable) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(pushable.table),
        description=f"What the shop edits of its {pushable.entity.name}, with any tool. A push sends what changed to "
        "Gazelle, takes over what Gazelle's side won with, and marks what arrived. People edit it at the desk, "
        f"{DESK_URL} (`gazelle-sync desk`).",
        deps=[asset_key(pushable.entity.table.name)],
        group_name=GROUP,
        kinds={"postgres", "table"},
        owners=OWNERS,
        **_code_and_columns(pushable.table, Path(inspect.getfile(type(pushable.kind)))),
    )


def _log_spec() -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(LOG),
        description="Everything that was sent to Gazelle, or could not be: one row an action.",
        deps=[asset_key(pushable.table) for pushable in PUSHABLES],
        group_name=GROUP,
        kinds={"graphql", "postgres"},
        owners=OWNERS,
        **_code_and_columns(LOG, Path(inspect.getfile(Push))),
    )


def _code_and_columns(table: str, code: Path) -> dict[str, Any]:
    return {"code_version": code_version(code), "metadata": {**metadata_of(table), **code_references(code)}}
