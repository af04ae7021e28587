"""`gazelle-sync invoices`: options, messages and exit status; no logic."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from gazelle_sync.cli.frame import JSON, shop_database

if TYPE_CHECKING:
    from gazelle_sync.settings import Settings
    from gazelle_sync.shop.billing.drafts import Draft
    from gazelle_sync.shop.billing.store import Drafts

DAY = click.DateTime(formats=["%Y-%m-%d"])
PAYMENT_TYPES = (
    "CASH", "CHECK", "CREDIT_CARD", "DEBIT_CARD", "ACH", "ELECTRONIC_FUNDS_TRANSFER", "OTHER", "PAYPAL", "SEPA",
    "VENMO", "ZELLE", "BANCONTACT", "EPS", "GIROPAY", "IDEAL", "SOFORT", "P24",
)  # fmt: skip
BY = click.option("--by", "who", metavar="NAME", help="Who does it; else the database's login.")


@click.group()
def invoices() -> None:
    """Invoices that are made here, those that are to be paid, and what was paid."""


@invoices.command()
@click.option("--client", metavar="ID", required=True, help="Whose invoice it is: cli_….")
@click.option("--contact", metavar="ID", help="Whom it is sent to: con_….")
@click.option("--technician", metavar="ID", help="Whose work it is: usr_….")
@click.option("--due", type=DAY, help="Day on which it is to be paid.")
@click.option("--net-days", type=click.IntRange(0, 3650), help="Or so many days after it is made.")
@click.option("--notes", help="Text below the lines.")
@click.option("--top-notes", help="Text above the lines.")
@click.option("--tag", "tags", multiple=True, help="May be given several times.")
@BY
@JSON
def new(client: str, as_json: bool, who: str | None, **header: Any) -> None:
    """Make a draft; its number is what the other commands take."""
    with _room(who, as_json=as_json) as (_, drafts):
        made = drafts.new(
            client=client.strip(),
            contact=header["contact"],
            assigned_to=header["technician"],
            due_on=header["due"] and header["due"].date(),
            net_days=header["net_days"],
            notes=header["notes"],
            top_notes=header["top_notes"],
            tags=list(header["tags"]),
        )
        click.echo(json.dumps({"id": made}) if as_json else str(made))


@invoices.command()
@click.argument("said", metavar="ID")
@click.option("--description", help="Its text; else the product's name.")
@click.option("--quantity", metavar="NUMBER", default="1", show_default=True, help="How many: 1, 1.25 or 1,25.")
@click.option("--amount", metavar="DOLLARS", help="Price of one, before taxes; else the product's.")
@click.option("--product", metavar="ID", help="What it sells: mit_….")
@click.option("--piano", metavar="ID", help="The piano that it is about: ins_….")
@click.option("--taxable", is_flag=True, help="Add taxes: the account's default ones, unless --tax names others.")
@click.option(
    "--tax", "taxes", metavar="TAX", multiple=True, help="A tax by its name or id; may be given several times."
)
@click.option("--not-billable", is_flag=True, help="Shown, and not paid for.")
@BY
@JSON
def add(said: str, quantity: str, amount: str | None, as_json: bool, who: str | None, **line: Any) -> None:
    """Add a line at the end of a draft."""
    from gazelle_sync.shop.billing.store import number_of

    with _room(who, as_json=as_json) as (settings, drafts):
        draft = drafts.draft(said)
        place = drafts.add(
            draft,
            language=settings.language,
            description=line["description"],
            product=line["product"],
            piano=line["piano"],
            quantity=number_of(quantity),
            amount=None if amount is None else number_of(amount),
            billable=not line["not_billable"],
            taxable=line["taxable"] or bool(line["taxes"]),
            taxes=line["taxes"] or None,
        )
        click.echo(json.dumps({"id": draft, "line": place}) if as_json else str(place))


@invoices.command()
@click.argument("said", metavar="ID")
@click.argument("line", metavar="LINE", type=int)
@JSON
def remove(said: str, line: int, as_json: bool) -> None:
    """Take a line off a draft, by its place."""
    with _room(as_json=as_json) as (_, drafts):
        draft = drafts.draft(said)
        drafts.remove(draft, line)
        if as_json:
            click.echo(json.dumps({"id": draft, "removed": line}))


@invoices.command()
@click.argument("said", metavar="ID")
@JSON
def show(said: str, as_json: bool) -> None:
    """Show a draft, by its number, or an invoice (inv_…): lines, sums, what Gazelle has of it and what was paid."""
    from gazelle_sync.shop.billing.render import draft_as_json, followed_as_json, render_draft, render_followed

    with _room(as_json=as_json) as (settings, drafts):
        number = drafts.draft_of(said)
        found = None if number is None else drafts.read(number)
        invoice = said.strip() if found is None else found.invoice
        followed = drafts.followed(invoice) if invoice else None
        if found is None and followed is None:
            raise drafts.unknown(said)
        if as_json:
            shown = draft_as_json(found, followed) if found else followed and followed_as_json(followed)
            click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        elif found is not None:
            click.echo(render_draft(settings.language, found, followed))
        elif followed is not None:
            click.echo(render_followed(settings.language, followed))


@invoices.command()
@click.argument("said", metavar="ID")
@JSON
def check(said: str, as_json: bool) -> None:
    """Compute a draft and say what is missing. Exit status 0 where nothing is, else 1."""
    from gazelle_sync.shop.billing.render import render_checked

    with _room(as_json=as_json) as (settings, drafts):
        _, checked = drafts.check(drafts.draft(said))
        if as_json:
            click.echo(json.dumps(checked.as_json(), indent=2, ensure_ascii=False))
        else:
            click.echo(render_checked(settings.language, checked))
        sys.exit(1 if checked.problems else 0)


@invoices.command()
@click.argument("said", metavar="ID")
@click.option("--email", "by_email", is_flag=True, help="E-mail it to its contact once it is open. Sent once at most.")
@click.option("--seen", hidden=True)  # of the desk: what somebody changed meanwhile does not go
@BY
@JSON
def send(said: str, by_email: bool, seen: str | None, who: str | None, as_json: bool) -> None:
    """Send a draft: it becomes an invoice at Gazelle, and is opened there once Gazelle computes the same sums.

    Exit status 0 where it is open, else 1.
    """
    from gazelle_sync.cli import runs as runner
    from gazelle_sync.shop.billing.render import render_checked, render_sent, sent_as_json
    from gazelle_sync.shop.billing.sending import ask_to_send

    with _room(who, as_json=as_json, api=True, meanwhile=runner.load_dagster) as (settings, drafts):
        draft = drafts.draft(said)
        found, checked = ask_to_send(settings, drafts, draft, seen)
        if checked is not None and checked.problems:
            click.echo(
                json.dumps(checked.as_json(), indent=2, ensure_ascii=False)
                if as_json
                else render_checked(settings.language, checked)
            )
            sys.exit(1)
        reason = None
        if checked is not None or found.waits:
            reason = runner.run_push(settings, keys=[str(draft)], undo=None, tables=["invoice_drafts"]).text
            found = drafts.read(draft)
        address = _emailed(settings, found) if by_email and found.is_sent else None
        if as_json:
            click.echo(json.dumps(sent_as_json(found, address), indent=2, ensure_ascii=False))
        else:
            click.echo(render_sent(settings.language, found, address, reason))
        sys.exit(0 if found.is_sent else 1)


def _emailed(settings: Settings, draft: Draft) -> str:
    from gazelle_sync.gazelle.client import client_for
    from gazelle_sync.shop.billing.sending import email

    client = client_for(settings)
    try:
        return email(client, str(settings.database_url), draft)
    finally:
        client.close()


@invoices.command()
@click.argument("said", metavar="ID")
@click.option("--amount", metavar="DOLLARS", required=True, help="What was paid in all, the tip included.")
@click.option(
    "--type", "kind", type=click.Choice(PAYMENT_TYPES, case_sensitive=False), default="OTHER", show_default=True,
    help="How it was paid.",
)  # fmt: skip
@click.option("--tip", metavar="DOLLARS", default="0", help="What of it is a tip.")
@click.option("--notes", help="Text that stays with it.")
@click.option("--day", type=DAY, help="On which it was paid, in Montreal; else now.")
@BY
@JSON
def pay(said: str, as_json: bool, who: str | None, **given: Any) -> None:
    """Enter a payment of an invoice, by its id (inv_…) or its draft's number. Exit status 0 where Gazelle has it."""
    from gazelle_sync.cli import runs as runner
    from gazelle_sync.montreal import midnight
    from gazelle_sync.shop.billing.paying import PaymentInput, Payments
    from gazelle_sync.shop.billing.render import payment_entered_as_json, render_payment_entered
    from gazelle_sync.shop.billing.store import number_of

    with _room(who, as_json=as_json, api=True, meanwhile=runner.load_dagster) as (settings, _):
        payments = Payments(str(settings.database_url), who)
        paid = PaymentInput(
            number_of(given["amount"]), number_of(given["tip"]), given["kind"].upper(), given["notes"],
            given["day"] and midnight(given["day"].date()) + timedelta(hours=12),
        )  # fmt: skip
        entered = payments.enter(said, paid)
        reason = runner.run_push(settings, keys=[str(entered)], undo=None, tables=["invoice_draft_payments"]).text
        found = payments.read(entered)
        if as_json:
            click.echo(json.dumps(payment_entered_as_json(found)))
        else:
            click.echo(render_payment_entered(settings.language, found, reason))
        sys.exit(0 if found.external_id else 1)


@invoices.command("list")
@click.option("--overdue", is_flag=True, help="Only what should have been paid before today.")
@JSON
def list_invoices(overdue: bool, as_json: bool) -> None:
    """List drafts, and the invoices of Gazelle that are not paid."""
    from gazelle_sync.montreal import montreal_day
    from gazelle_sync.shop.billing.render import listed_as_json, render_list

    with _room(as_json=as_json) as (settings, drafts):
        found = drafts.listed(montreal_day(datetime.now(UTC)), overdue=overdue)
        if as_json:
            click.echo(json.dumps(listed_as_json(found), indent=2, ensure_ascii=False))
        else:
            click.echo(render_list(settings.language, found, overdue=overdue))


@invoices.command()
@click.option("--day", type=DAY, help="In Montreal; else today.")
@JSON
def cash(day: datetime | None, as_json: bool) -> None:
    """List what was paid on a day, each payment and by type."""
    from gazelle_sync.montreal import day_window, montreal_day
    from gazelle_sync.shop.billing.cash import Cash
    from gazelle_sync.shop.billing.render import render_cash

    with _room(as_json=as_json) as (settings, drafts):
        of_day = day.date() if day else montreal_day(datetime.now(UTC))
        found = Cash(drafts.payments(*day_window(of_day)))
        if as_json:
            click.echo(json.dumps(found.as_json(of_day), indent=2, ensure_ascii=False))
        else:
            click.echo(render_cash(settings.language, of_day, found))


@contextmanager
def _room(
    who: str | None = None, *, as_json: bool = False, api: bool = False, meanwhile: Callable[[], None] | None = None
) -> Iterator[tuple[Settings, Drafts]]:
    """The settings and the drafts of a migrated database."""
    from gazelle_sync.shop.billing.store import Drafts

    with shop_database(api=api, for_machines=as_json, meanwhile=meanwhile) as settings:
        yield settings, Drafts(str(settings.database_url), who)
