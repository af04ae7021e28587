"""The calendar as Dagster sees it: what technicians are told, the agenda, and what a person should look at.

The job starts when there is something to tell (`gazelle_sync.shop.followers`), so a quiet tick is no longer for it. The
schedule asks the same at the hours of the daily lists.
"""

import inspect
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.shop.following import SAID
from gazelle_sync.defs.sync.assets import OWNERS, code_references, code_version
from gazelle_sync.defs.sync.checks import local_checks
from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.defs.sync.jobs import MAX_RUNTIME_TAG
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n.translator import Plural, translator
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.notifications.delivery import DeliveryFailed, Recipients, send
from gazelle_sync.notifications.ledger import Message
from gazelle_sync.quality.registry import CALENDAR
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.shop.calendar import agenda, telling
from gazelle_sync.shop.calendar.telling import NotDelivered, Told, tell
from gazelle_sync.shop.followers import jobs_due
from gazelle_sync.warehouse.migrate import migrate, pending
from gazelle_sync.warehouse.pool import borrow

GROUP = "shop"
OP, JOB = "tell_technicians", "tell_technicians_of_visits"
NOTICES, AGENDA = "notices", "v_agenda"
LONGEST_RUN_S = 1800
DAYS = 7
TOLD = Plural("Technicians were told of {count} visit.", "Technicians were told of {count} visits.")
NO_ANSWER = ("timed out", "timeout")
"""Words by which a service's error says that no answer came: the message may have arrived."""


def calendar_assets() -> dg.AssetsDefinition:
    """One multi-asset: making the notices tells technicians what is due."""

    @dg.multi_asset(
        name=OP,
        specs=[
            _spec(
                NOTICES,
                "What technicians are told of their visits: new ones, changes, and three daily lists. Once each, of "
                "what a complete scan found, and never at night.",
                Path(inspect.getfile(telling)),
            ),
            _spec(
                AGENDA,
                "The visits that stand, by Montreal's clock: who is where, and how long there is to get there.",
                Path(inspect.getfile(agenda)),
            ),
        ],
        can_subset=True,
    )
    def tell_technicians(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        try:
            with embedded_services(Settings.load(), api=False) as settings:
                log.configure_once(settings)
                migrate(str(settings.database_url))
                now = datetime.now(UTC)
                with borrow(str(settings.database_url)) as connection:
                    told = tell(connection, now, partial(deliver, settings)) if NOTICES in selected else Told()
                    days = agenda.read_agenda(connection, montreal_day(now), DAYS) if AGENDA in selected else []
        except GazelleSyncError as error:
            raise failure_of(error) from None
        if told.sent:
            SAID[context.run.run_id] = translator(settings.language)(TOLD, count=told.sent)
        if NOTICES in selected:
            yield dg.MaterializeResult(asset_key=NOTICES, metadata=_metadata(told))
        if AGENDA in selected:
            unconfirmed = sum(entry.needs_confirmation for entry in days)
            yield dg.MaterializeResult(
                asset_key=AGENDA, metadata={"visits of a week": len(days), "not confirmed": unconfirmed}
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
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(NOTICES, AGENDA),
        description="Tells technicians of new, moved and cancelled visits, and sends the daily lists. It starts when "
        "something is due.",
        config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={MAX_RUNTIME_TAG: str(LONGEST_RUN_S), **tags},
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
        settings = Settings.load()
        if settings.database_url is None:
            return dg.SkipReason("There is no database yet.")
        try:
            if pending(settings.database_url):
                return dg.SkipReason("The database is not up to date yet: the next run migrates it.")
            with borrow(settings.database_url) as connection:
                is_due = JOB in jobs_due(connection)
        except GazelleSyncError as error:
            return dg.SkipReason(f"The database cannot be asked: {error}")
        return dg.RunRequest() if is_due else dg.SkipReason("There is nothing to tell, or the last scan is too old.")


def deliver(settings: Settings, address: str, title: str, text: str) -> None:
    """Send a message to one technician's address.

    Args:
        settings: For the language, and the secrets to take out of a service's error.
        address: An Apprise address.
        title: One line.
        text: The rest.

    Raises:
        NotDelivered: It was refused, or no answer came.
    """
    own = settings.replace(alert_urls=(address,))
    recipients = Recipients(own)
    arrived = False
    for label in recipients.labels:
        message = Message(0, "notice", "warning", title, text, label, was_interrupted=False)
        try:
            send(recipients.by_label[label], message, own)
        except DeliveryFailed as error:
            is_unsure = error.may_have_arrived or any(word in str(error).lower() for word in NO_ANSWER)
            raise NotDelivered(str(error), may_have_arrived=arrived or is_unsure) from error
        arrived = True


def _metadata(told: Told) -> dict[str, int]:
    return {"made": told.made, "sent": told.sent, "not delivered": told.failed, "without address": told.unaddressed}


def _spec(table: str, description: str, code: Path) -> dg.AssetSpec:
    return dg.AssetSpec(
        table,
        description=description,
        deps=["gazelle_appointments"],
        group_name=GROUP,
        kinds={"python", "postgres"},
        owners=OWNERS,
        code_version=code_version(code),
        metadata={**metadata_of(table), **code_references(code)},
    )
