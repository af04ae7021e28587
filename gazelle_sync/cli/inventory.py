"""`gazelle-sync inventory`: what there is, what moves it, and what invoices consume."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazelle_sync.cli.frame import JSON, shop_database
from gazelle_sync.i18n import gettext

if TYPE_CHECKING:
    from gazelle_sync.settings import Settings
    from gazelle_sync.shop.inventory.consumption import Rule
    from gazelle_sync.shop.inventory.naming import Names
    from gazelle_sync.shop.inventory.rules import Rules
    from gazelle_sync.shop.inventory.stock import Moved, Selection, Stockroom

NEW = 0
"""The id of a material that is not in the shop's list: no row has it."""
HUNDREDTH = Decimal("0.01")
DAY = click.DateTime(formats=["%Y-%m-%d"])
TECHNICIAN = click.option("--technician", metavar="WHO", required=True, help="Whose stock: usr_… or a name.")
LOCATION = click.option("--location", default="main", show_default=True, help="Where it is.")
REASON = click.option("--reason", help="Why; kept with the movement.")
BY = click.option("--by", "made_by", metavar="NAME", help="Who does it; else the database's login.")
QUANTITY = click.option("--quantity", metavar="NUMBER", required=True, help="How much: 2, 2.5 or 2,5.")
ONLY_PRODUCT = click.option("--product", metavar="PRODUCT", help="Only this one, by SKU, id or name.")
ONLY_TECHNICIAN = click.option("--technician", metavar="WHO", help="Only this person's: usr_… or a name.")


@click.group()
def inventory() -> None:
    """The stock: list it, count it, move it, and let invoices consume it."""


@inventory.command("list")
@ONLY_PRODUCT
@ONLY_TECHNICIAN
@click.option("--low", is_flag=True, help="Only what is to be ordered, or below zero.")
@JSON
def list_stock(product: str | None, technician: str | None, low: bool, as_json: bool) -> None:
    """Show what there is of each material, whose it is and where."""
    from gazelle_sync.shop.inventory.render import render_stock

    with _room(as_json=as_json) as (settings, room):
        product_id, person = _only(settings, room, product, technician)
        found = [] if product_id == 0 else room.read(product_id=product_id, technician=person)
        found = [one for one in found if not low or one.is_low or one.quantity < 0]
        if as_json:
            click.echo(json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False))
        else:
            click.echo(render_stock(settings.language, found))


@inventory.command()
@click.argument("product", metavar="PRODUCT")
@TECHNICIAN
@QUANTITY
@LOCATION
@click.option("--reorder-at", metavar="NUMBER", help="From which quantity down it is to be ordered; 0: never.")
@REASON
@BY
@JSON
def count(
    product: str, technician: str, quantity: str, location: str, reorder_at: str | None, reason: str | None,
    made_by: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say how much was counted: the stock becomes that."""
    from gazelle_sync.shop.inventory.quantities import quantity_of
    from gazelle_sync.shop.inventory.stock import Count

    with _room(made_by, as_json=as_json) as (settings, room):
        counted = quantity_of(quantity, least=Decimal(0))
        threshold = None if reorder_at is None else quantity_of(reorder_at, least=Decimal(0))
        asked = room.ask(product, technician)
        stock = room.id_of(asked.material), asked.people[0].id, location
        moved = room.count([Count(*stock, counted, threshold)], reason)
        _tell(settings, asked, moved, as_json=as_json)


@inventory.command()
@click.argument("product", metavar="PRODUCT")
@TECHNICIAN
@QUANTITY
@LOCATION
@REASON
@BY
@JSON
def purchase(
    product: str, technician: str, quantity: str, location: str, reason: str | None, made_by: str | None, as_json: bool
) -> None:
    """Add what was bought."""
    from gazelle_sync.shop.inventory.quantities import quantity_of

    with _room(made_by, as_json=as_json) as (settings, room):
        bought = quantity_of(quantity, least=HUNDREDTH)
        asked = room.ask(product, technician)
        _tell(settings, asked, room.purchase(asked, bought, location=location, reason=reason), as_json=as_json)


@inventory.command()
@click.argument("product", metavar="PRODUCT")
@TECHNICIAN
@QUANTITY
@click.option(
    "--kind",
    type=click.Choice(["loss", "return", "correction"]),
    required=True,
    help="loss takes, return brings back, correction does either: its quantity may be below zero.",
)
@LOCATION
@REASON
@BY
@JSON
def move(
    product: str, technician: str, quantity: str, kind: str, location: str, reason: str | None, made_by: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Take what was lost, bring back what was not used, correct what is wrong."""
    from gazelle_sync.errors import SettingsError
    from gazelle_sync.shop.inventory.quantities import quantity_of

    if kind == "correction" and not reason:
        raise click.UsageError(gettext("A correction needs its --reason."))
    with _room(made_by, as_json=as_json) as (settings, room):
        moved = quantity_of(quantity, least=None if kind == "correction" else HUNDREDTH)
        if not moved:
            raise SettingsError(gettext("A movement of nothing is none."))
        asked = room.ask(product, technician)
        _tell(settings, asked, room.move(asked, kind, moved, location=location, reason=reason), as_json=as_json)


@inventory.command()
@click.argument("product", metavar="PRODUCT")
@click.option("--from", "giver", metavar="WHO", required=True, help="Whose stock it leaves: usr_… or a name.")
@click.option("--to", "taker", metavar="WHO", required=True, help="Whose stock it comes to.")
@QUANTITY
@click.option("--from-location", default="main", show_default=True, help="Where it was.")
@click.option("--to-location", default="main", show_default=True, help="Where it will be.")
@REASON
@BY
@JSON
def transfer(
    product: str, giver: str, taker: str, quantity: str, from_location: str, to_location: str, reason: str | None,
    made_by: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Move from one person, or place, to another."""
    from gazelle_sync.shop.inventory.quantities import quantity_of

    with _room(made_by, as_json=as_json) as (settings, room):
        amount = quantity_of(quantity, least=HUNDREDTH)
        asked = room.ask(product, giver, taker)
        moved = room.transfer(asked, amount, here=from_location, there=to_location, reason=reason)
        _tell(settings, asked, moved, as_json=as_json)


@inventory.command()
@ONLY_PRODUCT
@ONLY_TECHNICIAN
@click.option("--invoice", metavar="ID", help="Only of this invoice, by id or number.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="The newest so many.")
@JSON
def history(product: str | None, technician: str | None, invoice: str | None, limit: int, as_json: bool) -> None:
    """Show what moved the stock, the newest first."""
    from gazelle_sync.shop.inventory.render import render_history

    with _room(as_json=as_json) as (settings, room):
        product_id, person = _only(settings, room, product, technician)
        found = room.history(product_id=product_id, technician=person, invoice=invoice, limit=limit)
        if as_json:
            click.echo(json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False))
        else:
            click.echo(render_history(settings.language, found))


@inventory.command()
@click.argument("path", metavar="FILE.csv", type=click.Path(path_type=Path, dir_okay=False))
@ONLY_TECHNICIAN
def export(path: Path, technician: str | None) -> None:
    """Write what there is into a file, for a spreadsheet or to be counted."""
    from gazelle_sync.i18n.translator import Plural, translator
    from gazelle_sync.shop.inventory.counts import write_counts

    with _room() as (settings, room):
        _, person = _only(settings, room, None, technician)
        written = write_counts(path, room.read(technician=person), settings.language)
        say = translator(settings.language)
        click.echo(
            say(Plural("{count} stock written: {path}", "{count} stocks written: {path}"), count=written, path=path)
        )


@inventory.command("import")
@click.argument("path", metavar="FILE.csv", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Show what would change. Writes nothing.")
@REASON
@BY
def import_counts(path: Path, dry_run: bool, reason: str | None, made_by: str | None) -> None:
    """Take in counts: all of a file's rows, or none where one is wrong. Exit status 0, or 1 if some row is."""
    from gazelle_sync.shop.inventory.counts import read_counts
    from gazelle_sync.shop.inventory.render import render_counts

    with _room(made_by) as (settings, room):
        names = room.names()
        counted, refused = read_counts(path, names, room.read(), settings.language)
        if not dry_run and not refused and counted:
            ids = room.ids_of([one.material for one in counted])
            room.count([one.as_count(ids[one.material.label]) for one in counted], reason or path.name)
        click.echo(render_counts(settings.language, counted, refused, is_done=not dry_run))
        sys.exit(1 if refused else 0)


@inventory.group(invoke_without_command=True)
@JSON
@click.pass_context
def rules(context: click.Context, as_json: bool) -> None:
    """What services use up: the rules by which invoices consume."""
    if context.invoked_subcommand is not None:
        return
    from gazelle_sync.shop.inventory.render import render_rules

    with _rules(as_json=as_json) as (settings, known):
        found, names = known.read()
        if as_json:
            click.echo(json.dumps([_rule_as_json(rule, names) for rule in found], indent=2, ensure_ascii=False))
        else:
            click.echo(render_rules(settings.language, found, names))


@rules.command()
@click.argument("service", metavar="SERVICE")
@click.argument("product", metavar="PRODUCT")
@QUANTITY
@click.option("--optional", is_flag=True, help="Only where the line of the invoice names the material.")
@click.option("--from", "first_day", type=DAY, help="First Montreal day of the invoices that it is for; else today.")
@click.option("--dry-run", is_flag=True, help="Show what it would take since that day. Writes nothing.")
def add(service: str, product: str, quantity: str, optional: bool, first_day: Any, dry_run: bool) -> None:
    """Let a service use so much of a material, on invoices from a day on."""
    from gazelle_sync.montreal import montreal_day
    from gazelle_sync.shop.inventory.consumption import Rule
    from gazelle_sync.shop.inventory.quantities import quantity_of
    from gazelle_sync.shop.inventory.render import render_dry_run, render_rules
    from gazelle_sync.shop.inventory.stock import Stockroom

    with _rules() as (settings, known):
        amount = quantity_of(quantity, least=HUNDREDTH)
        _, names = known.read()
        used = known.service(names, service)
        material = names.material(product, settings.language)
        day = first_day.date() if first_day else montreal_day(datetime.now(UTC))
        rule = Rule(str(used.external_id), material.id or NEW, amount, day, None, optional, tuple(material.names))
        if dry_run:
            click.echo(render_dry_run(settings.language, known.dry_run(rule), names))
            return
        rule = replace(rule, product_id=Stockroom(settings).id_of(material))
        known.add(rule)
        click.echo(render_rules(settings.language, [rule], known.read()[1]))
        _follow(settings)


@rules.command()
@click.argument("service", metavar="SERVICE")
@click.argument("product", metavar="PRODUCT")
@click.option("--on", "last_day", type=DAY, help="Last Montreal day of the invoices that it is for; else today.")
def end(service: str, product: str, last_day: Any) -> None:
    """End a rule: what it took stays taken, later invoices take nothing."""
    from gazelle_sync.montreal import montreal_day
    from gazelle_sync.shop.inventory.render import render_rules

    with _rules() as (settings, known):
        _, names = known.read()
        used, material = known.service(names, service), names.material(product, settings.language)
        day = last_day.date() if last_day else montreal_day(datetime.now(UTC))
        known.end(str(used.external_id), material.id or NEW, day)
        found, names = known.read()
        click.echo(render_rules(settings.language, found, names))
        _follow(settings)


@rules.command()
def apply() -> None:
    """Make the stock follow all invoices now."""
    with _rules() as (settings, _):
        _follow(settings, everything=True)


def _follow(settings: Settings, *, everything: bool = False) -> None:
    from gazelle_sync.shop.inventory.follow import follow_invoices
    from gazelle_sync.shop.inventory.render import describe_followed

    said = describe_followed(settings.language, follow_invoices(settings, everything=everything))
    click.echo(said or gettext("The stock follows the invoices."))


def _rule_as_json(rule: Rule, names: Names) -> dict[str, Any]:
    from gazelle_sync.shop.inventory.stock import number

    material = names.by_id[rule.product_id]
    return {
        "service_external_id": rule.service, "sku": material.sku, "product_external_id": material.external_id,
        "quantity": number(rule.quantity), "is_optional": rule.is_optional, "valid_from": rule.valid_from.isoformat(),
        "valid_until": rule.valid_until.isoformat() if rule.valid_until else None,
    }  # fmt: skip


def _only(
    settings: Settings, room: Stockroom, product: str | None, technician: str | None
) -> tuple[int | None, str | None]:
    """The product's id in the shop's list and the person's at Gazelle, where a command is about one of them only."""
    if product is None and technician is None:
        return None, None
    names = room.names()
    material = None if product is None else names.material(product, settings.language)
    person = None if technician is None else names.person(technician).id
    return None if material is None else material.id or 0, person


def _tell(settings: Settings, asked: Selection, moved: Sequence[Moved], *, as_json: bool) -> None:
    from gazelle_sync.shop.inventory.render import render_moved
    from gazelle_sync.shop.inventory.stock import number

    if not as_json:
        click.echo(render_moved(settings.language, asked, moved))
        return
    material = asked.material
    found = [
        {"sku": material.sku, "product_external_id": material.external_id, "technician": one.technician,
         "location": one.location, "quantity_before": number(one.before), "quantity_after": number(one.after)}
        for one in moved
    ]  # fmt: skip
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@contextmanager
def _room(made_by: str | None = None, *, as_json: bool = False) -> Iterator[tuple[Settings, Stockroom]]:
    """The settings and the stock, with the database up to date."""
    from gazelle_sync.shop.inventory.stock import Stockroom

    with shop_database(for_machines=as_json) as settings:
        yield settings, Stockroom(settings, made_by=made_by)


@contextmanager
def _rules(*, as_json: bool = False) -> Iterator[tuple[Settings, Rules]]:
    from gazelle_sync.shop.inventory.rules import Rules

    with _room(as_json=as_json) as (settings, _):
        yield settings, Rules(settings)
