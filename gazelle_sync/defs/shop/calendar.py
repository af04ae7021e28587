"""The calendar as Dagster sees it: what technicians are told, the agenda, and what a person should look at.

The job starts when there is something to tell (`gazelle_sync.shop.followers`), so a quiet tick is no longer for it. The
schedule asks the same at the hours of the daily lists.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg

from gazelle_sync.defs.location import asset_key
from gazelle_sync.defs.services import run_if_due, step_services
from gazelle_sync.defs.shop.following import SAID, following_job, shop_spec
from gazelle_sync.defs.sync.checks import local_checks
from gazelle_sync.i18n.translator import Plural, translator
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.notifications.notices import send_to_address
from gazelle_sync.quality.registry import CALENDAR
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.shop.calendar import agenda, notice_sending
from gazelle_sync.shop.calendar.notice_sending import NoticeCounts, tell
from gazelle_sync.shop.followers import jobs_due
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import borrow

OP, JOB = "tell_technicians", "tell_technicians_of_visits"
NOTICES, AGENDA = "notices", "v_agenda"
LONGEST_RUN_S = 1800
DAYS = 7
TOLD = Plural("Technicians were told of {count} visit.", "Technicians were told of {count} visits.")


def calendar_assets() -> dg.AssetsDefinition:
    """One multi-asset: making the notices tells technicians what is due."""

    @dg.multi_asset(
        name=OP,
        specs=[
            _spec(
                NOTICES,
                "What technicians are told of their visits: new ones, changes, and three daily lists. Once each, of "
                "what a complete scan found, and never at night.",
                notice_sending,
            ),
            _spec(
                AGENDA,
                "The visits that stand, by Montreal's clock: who is where, and how long there is to get there.",
                agenda,
            ),
        ],
        can_subset=True,
    )
    def tell_technicians(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        selected = {key.path[-1] for key in context.selected_asset_keys}
        with step_services(context) as settings:
            migrate(str(settings.database_url))
            with borrow(str(settings.database_url)) as connection:
                deliver = partial(send_to_address, settings)
                told = tell(connection, partial(datetime.now, UTC), deliver) if NOTICES in selected else NoticeCounts()
                today = montreal_day(datetime.now(UTC))
                days = agenda.read_agenda(connection, today, DAYS) if AGENDA in selected else []
        if told.sent:
            SAID[context.run.run_id] = translator(settings.language)(TOLD, count=told.sent)
        if NOTICES in selected:
            yield dg.MaterializeResult(asset_key=asset_key(NOTICES), metadata=_metadata(told))
        if AGENDA in selected:
            unconfirmed = sum(entry.needs_confirmation for entry in days)
            yield dg.MaterializeResult(
                asset_key=asset_key(AGENDA), metadata={"visits of a week": len(days), "not confirmed": unconfirmed}
            )

    return tell_technicians


def calendar_checks() -> dg.AssetChecksDefinition:
    """The checks at the notices."""
    return local_checks("calendar_checks", [CALENDAR], thorough=True)


def calendar_job(tags: Mapping[str, str]) -> "dg.UnresolvedAssetJobDefinition":
    """The job.

    Args:
        tags: Of each of its runs.
    """
    return following_job(
        JOB,
        [NOTICES, AGENDA],
        "Tells technicians of new, moved and cancelled visits, and sends the daily lists. It starts when something is "
        "due.",
        tags,
        longest_s=LONGEST_RUN_S,
    )


@dg.schedule(
    name="daily_lists",
    cron_schedule=["0 9 * * *", "0 16 * * *", "0 17 * * *"],
    job_name=JOB,
    execution_timezone=MONTREAL.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The daily lists at 09:00, 16:00 and 17:00 Montreal, in case the sensor is off.",
)
def daily_lists(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Starts the job where something is due."""
    with unexpected_errors_reported():
        return run_if_due(Settings.load(), _is_due, "There is nothing to tell, or the last scan is too old.")


def _is_due(connection: Connection) -> bool:
    return JOB in jobs_due(connection)


def _metadata(told: NoticeCounts) -> dict[str, int]:
    return {"made": told.made, "sent": told.sent, "not delivered": told.failed, "without address": told.unaddressed}


def _spec(table: str, description: str, made_by: Any) -> dg.AssetSpec:
    return shop_spec(table, description, ["gazelle_appointments"], made_by, {"python", "postgres"})
