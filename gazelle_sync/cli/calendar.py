"""`gazelle-sync calendar`: visits to be made, moved and cancelled, conflicts, the agenda; options and messages only."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gazelle_sync.cli.frame import JSON, shop_connection, shop_database
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Plural

if TYPE_CHECKING:
    from gazelle_sync.i18n.translator import Translator
    from gazelle_sync.warehouse.connect import Connection

F = TypeVar("F", bound=Callable[..., Any])
TRAVEL = click.Choice(["DRIVING", "WALKING", "BICYCLING", "TRANSIT"])
TYPE = click.Choice(["APPOINTMENT", "PERSONAL", "MEMO"])
DURATION = click.IntRange(-(2**31), 2**31 - 1)

start_option = click.option("--start", metavar="TIME", help='By Montreal\'s clock: "2027-03-14 09:00".')
fold_option = click.option(
    "--fold", type=click.Choice(["0", "1"]), help="Of a time that happens twice: 0 the first, 1 the second."
)
force_option = click.option("--force", is_flag=True, help="In spite of conflicts.")
technician_option = click.option("--technician", metavar="ID", help="The user's id at Gazelle.")


@click.group()
def calendar() -> None:
    """Visits: drafts, conflicts, the agenda. Times are by Montreal's clock."""


@calendar.command()
@click.option("--client", metavar="ID", help="The client's id at Gazelle.")
@technician_option
@click.option("--with", "others", metavar="ID", multiple=True, help="Another technician of a joint visit.")
@start_option
@fold_option
@click.option("--duration", type=DURATION, metavar="MINUTES", help="Unset: as long as the service takes.")
@click.option("--service", help="tuning, hall, half-day, day, or a product's id: says how long it takes.")
@click.option("--piano", "pianos", metavar="ID", multiple=True, help="May be given several times.")
@click.option("--title", help="Unset: the client's name.")
@click.option("--notes", help="For the technician.")
@click.option("--buffer", type=DURATION, metavar="MINUTES", help="Kept free after the visit.")
@click.option("--travel-mode", type=TRAVEL, help="How the technician gets there.")
@click.option("--type", "event_type", type=TYPE, default="APPOINTMENT", show_default=True, help="Kind of event.")
@click.option("--all-day", is_flag=True, help="It lasts all day.")
@force_option
@JSON
def new(
    client: str | None,
    technician: str | None,
    others: tuple[str, ...],
    start: str | None,
    fold: str | None,
    duration: int | None,
    service: str | None,
    pianos: tuple[str, ...],
    title: str | None,
    notes: str | None,
    buffer: int | None,
    travel_mode: str | None,
    event_type: str,
    all_day: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Store a visit as a draft, and say what is wrong with it. Exit status 0 when it is stored."""
    from gazelle_sync.shop.calendar.drafts import add_visit, service_minutes

    with _opened(as_json) as (connection, say):
        values = {
            "client_external_id": client, "start_at": _instant(start, fold, as_json),
            "duration_minutes": service_minutes(connection, service) if duration is None else duration,
            "title": title, "notes": notes, "buffer_minutes": buffer, "travel_mode": travel_mode,
            "event_type": event_type, "is_all_day": all_day, "is_forced": force, "updated_by": "gazelle-sync calendar",
        }  # fmt: skip
        _stored(connection, say, add_visit(connection, values, [technician, *others], pianos), as_json, force=force)


@calendar.command()
@click.argument("visit", metavar="VISIT")
@start_option
@fold_option
@click.option("--duration", type=DURATION, metavar="MINUTES", help="Unset: it stays as it is.")
@technician_option
@click.option("--future", is_flag=True, help="Of a recurring visit, this one and all after it.")
@force_option
@JSON
def move(
    visit: str,
    start: str | None,
    fold: str | None,
    duration: int | None,
    technician: str | None,
    future: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Move a visit, by its id at Gazelle or its draft's number; a joint one with all its events."""
    given = {"duration_minutes": duration, "technician_external_id": technician}
    if start is None and duration is None and technician is None:
        raise click.UsageError(gettext("Say what changes: --start, --duration or --technician."))
    _change(visit, "move", given, as_json, start=start, fold=fold, future=future, force=force)


@calendar.command()
@click.argument("visit", metavar="VISIT")
@click.option("--future", is_flag=True, help="Of a recurring visit, this one and all after it.")
@JSON
def cancel(visit: str, future: bool, as_json: bool) -> None:
    """Cancel a visit; a joint one with all its events. What Gazelle does not have yet is withdrawn."""
    _change(visit, "cancel", {}, as_json, future=future)


@calendar.command()
@click.argument("visit", metavar="VISIT")
@JSON
def confirm(visit: str, as_json: bool) -> None:
    """Confirm a visit, without a message to the client."""
    _change(visit, "confirm", {}, as_json)


@calendar.command()
@click.argument("visit", metavar="VISIT")
@click.option("--notes", help="For the service history of its pianos.")
@JSON
def complete(visit: str, notes: str | None, as_json: bool) -> None:
    """Mark a visit as done."""
    _change(visit, "complete", {"notes": notes}, as_json)


@calendar.command()
@JSON
def check(as_json: bool) -> None:
    """What is wrong with each draft. Exit status 1 if something is."""
    from gazelle_sync.push.pushables.appointment_checks import explain_drafts

    with _opened(as_json) as (connection, say):
        found = explain_drafts(connection, datetime.now(UTC))
        if as_json:
            shown = [
                {"draft_id": one.id, "problems": [problem.as_json(say) for problem in one.problems]} for one in found
            ]
            click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        elif not found:
            click.echo(say("No draft waits."))
        else:
            for one in found:
                said = "; ".join(problem.text(say) for problem in one.problems) or say("nothing is wrong")
                click.echo(say("draft {id}: {state}", id=one.id, state=said))
        sys.exit(1 if any(one.problems for one in found) else 0)


@calendar.command()
@click.option("--days", type=click.IntRange(1, 3650), help="Only of so many days from now on; unset: all.")
@JSON
def conflicts(days: int | None, as_json: bool) -> None:
    """Visits of one technician that overlap at Gazelle. Exit status 1 if there are any."""
    from gazelle_sync.shop.calendar.conflicts import overlaps, render_overlaps

    with _opened(as_json) as (connection, say):
        now = datetime.now(UTC)
        found = overlaps(connection, now, now + timedelta(days=days)) if days else overlaps(connection)
        if as_json:
            click.echo(json.dumps([one.as_json() for one in found], indent=2))
        else:
            click.echo(render_overlaps(say, found))
        sys.exit(1 if found else 0)


@calendar.command()
@technician_option
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="How many, from today on.")
@JSON
def agenda(technician: str | None, days: int, as_json: bool) -> None:
    """The coming days: who is where, how long it takes to get there, who has not confirmed."""
    from gazelle_sync.montreal import montreal_day
    from gazelle_sync.shop.calendar.agenda import known_technician, read_agenda, render_agenda

    with _opened(as_json) as (connection, say):
        entries = read_agenda(connection, montreal_day(datetime.now(UTC)), days, technician)
        if technician is not None and not entries:
            known_technician(connection, technician)
        if as_json:
            click.echo(json.dumps([entry.as_json() for entry in entries], indent=2, ensure_ascii=False))
        else:
            click.echo(render_agenda(say, entries))


@calendar.command()
@click.option("--technician", metavar="ID", required=True, help="The user's id at Gazelle.")
@click.option("--out", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def export(technician: str, path: Path) -> None:
    """Write a technician's calendar as .ics: from 30 days back, without end."""
    from gazelle_sync.shop.calendar.feeds import export as export_calendar

    with _opened(as_json=False) as (connection, say):
        text = export_calendar(connection, technician, datetime.now(UTC))
        try:
            path.write_bytes(text)
        except OSError as error:
            raise CommandRefused(
                gettext("{path} cannot be written ({reason}).", path=path, reason=error.strerror)
            ) from error
        click.echo(say("Written: {path}", path=path))


@calendar.command()
@click.option("--technician", metavar="ID", required=True, help="The user's id at Gazelle.")
@click.option("--revoke", is_flag=True, help="End the technician's feeds instead.")
def feed(technician: str, revoke: bool) -> None:
    """Make an address for a technician's calendar, which `calendar serve` answers at. It is shown once."""
    from gazelle_sync.shop.calendar.feeds import open_feed, revoke_feeds

    with _opened(as_json=False) as (connection, say):
        if revoke:
            count = revoke_feeds(connection, technician)
            click.echo(say(Plural("{count} feed ended.", "{count} feeds ended."), count=count))
        else:
            click.echo(open_feed(connection, technician))


@calendar.command()
@click.option(
    "--port", default=8460, show_default=True, type=click.IntRange(0, 65535), help="0 takes any that is free."
)
def serve(port: int) -> None:
    """Serve the feeds to this machine's programs until Ctrl-C; a proxy in front of it adds encryption."""
    from gazelle_sync.runtime.signals import join_until_stopped
    from gazelle_sync.shop.calendar.feeds import serve_feeds

    with shop_database() as settings:
        server, thread = serve_feeds(settings, port)
        url = f"http://127.0.0.1:{server.server_port}"
        click.echo(gettext("Feeds are at {url}. Ctrl-C stops it.", url=url))
        join_until_stopped(thread)


@calendar.command()
@click.option("--technician", metavar="ID", required=True, help="The user's id at Gazelle.")
@click.option("--address", metavar="URL", help="An Apprise address: mailto, ntfy, Slack, …; unset: what is known goes.")
@click.option("--language", type=click.Choice(["en", "fr"]), default="fr", show_default=True, help="Of the notices.")
def contact(technician: str, address: str | None, language: str) -> None:
    """Say where a technician gets notices of visits."""
    from gazelle_sync.notifications.notices import is_understood
    from gazelle_sync.shop.calendar.notice_sending import forget_contact, set_contact

    with _opened(as_json=False) as (connection, say):
        if address is not None and not is_understood(address):
            raise CommandRefused(gettext("Apprise does not understand this address."))
        if address is None:
            forget_contact(connection, technician)
            click.echo(say("{id} gets no notices.", id=technician))
        else:
            set_contact(connection, technician, address, language)
            click.echo(say("{id} gets notices there.", id=technician))


@calendar.command()
@click.option("--days", type=click.IntRange(1, 3650), default=7, show_default=True, help="Of the last so many days.")
@JSON
def notices(days: int, as_json: bool) -> None:
    """What technicians were told, and what was not sent, and why."""
    from gazelle_sync.shop.calendar.notice_sending import read_notices, render_notices

    with _opened(as_json) as (connection, say):
        found = read_notices(connection, datetime.now(UTC) - timedelta(days=days))
        click.echo(json.dumps(found, indent=2) if as_json else render_notices(say, found))


@contextmanager
def _opened(as_json: bool) -> Iterator[tuple[Connection, Translator]]:
    """A connection to the shop's database, which is up to date, and the shop's language."""
    from gazelle_sync.i18n.translator import translator

    with shop_connection(for_machines=as_json) as (settings, connection):
        yield connection, translator(settings.language)


def _instant(start: str | None, fold: str | None, as_json: bool) -> datetime | None:
    """The instant that a person means; of a time that happens twice, a person at a terminal is asked which."""
    from gazelle_sync.shop.calendar.wall_clock import TimeIsTwice, instant_of

    if start is None:
        return None
    try:
        return instant_of(start, None if fold is None else int(fold))
    except TimeIsTwice as error:
        if as_json or not sys.stdin.isatty():
            raise
        click.echo(str(error), err=True)
        return error.choices[int(click.prompt("--fold", type=click.Choice(["0", "1"]), err=True))]


def _change(
    visit: str,
    action: str,
    given: dict[str, Any],
    as_json: bool,
    *,
    start: str | None = None,
    fold: str | None = None,
    future: bool = False,
    force: bool = False,
) -> None:
    from gazelle_sync.shop.calendar.drafts import change_visit

    with _opened(as_json) as (connection, say):
        values = {name: value for name, value in given.items() if value is not None}
        if start is not None:
            values["start_at"] = _instant(start, fold, as_json)
        values |= {"updated_by": "gazelle-sync calendar"}
        values |= {"recurrence_change": "FUTURE"} if future else {}
        values |= {"is_forced": True} if force else {}
        _stored(connection, say, change_visit(connection, visit, action, values), as_json, force=force)


def _stored(connection: Connection, say: Translator, ids: list[int], as_json: bool, *, force: bool) -> None:
    """Tell which drafts hold it, and what keeps them from being sent."""
    from gazelle_sync.push.pushables.appointment_checks import check_drafts
    from gazelle_sync.runtime.logs import get_logger

    checked = {one.id: one for one in check_drafts(connection, datetime.now(UTC)) if one.id in ids}
    ignored = {one.id: [problem.about for problem in one.ignored] for one in checked.values() if one.ignored}
    if force and ignored:
        get_logger("gazelle_sync.calendar").warning("will be sent in spite of conflicts", drafts=ignored)
    if as_json:
        also = {"joint_ids": ids[1:]} if len(ids) > 1 else {}
        click.echo(json.dumps({"id": ids[0], **also}))
    for id_ in ids:
        problems = checked[id_].problems if id_ in checked else ()
        said = "; ".join(problem.text(say) for problem in problems)
        text = (
            say("Draft {id} is stored. It waits: {problems}.", id=id_, problems=said)
            if said
            else say("Draft {id} is stored.", id=id_)
        )
        click.echo(text, err=as_json)
