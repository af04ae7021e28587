"""`gazelle-sync show` and `history`: all of one record, now and before; options, messages and exit status only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from gazelle_sync.cli.frame import JSON, shop_database

if TYPE_CHECKING:
    from gazelle_sync.settings import Settings
    from gazelle_sync.shop.search.lookup import LookupResult


@click.command()
@click.argument("words", metavar="WORD…", nargs=-1, required=True)
@JSON
def show(words: tuple[str, ...], as_json: bool) -> None:
    """Show a piano as the desk does: what was done, what waits to be sent and why; or a client, or any record.

    Words are an id, a serial number, a client's name, a room, words of a note; of several that fit, all are listed.
    """
    from gazelle_sync.shop.search.lookup import look_up, plain_json

    with shop_database(for_machines=as_json) as settings:
        text, found = _shown(settings, look_up(settings, " ".join(words)), " ".join(words))
        click.echo(json.dumps(plain_json(found), indent=2, ensure_ascii=False) if as_json else text)


def _shown(settings: Settings, looked: LookupResult, words: str) -> tuple[str, dict[str, Any]]:
    """What is printed of what some words led to, as text and for machines."""
    from dataclasses import asdict

    from gazelle_sync.entities import ENTITIES, LATE
    from gazelle_sync.errors import CommandRefused
    from gazelle_sync.i18n import gettext
    from gazelle_sync.i18n.translator import translator
    from gazelle_sync.shop.search.lookup import read_client, read_record
    from gazelle_sync.shop.search.piano import read_page
    from gazelle_sync.shop.search.show import (
        piano_as_json,
        read_freshness,
        render_client,
        render_hits,
        render_piano,
        render_record,
    )

    say = translator(settings.language)
    if looked.external_id is None:
        hits = {kind: [asdict(hit) for hit in found] for kind, found in looked.hits.items()}
        return render_hits(say, looked.hits), {"kind": "hits", "hits": hits}
    entity = next(one for one in ENTITIES if one.name == looked.entity)
    record = read_record(settings, entity, looked.external_id)
    piano_id = looked.external_id if entity.name == "pianos" else None
    if record is not None and entity.name == "timeline":
        piano_id = record.values.get("piano_external_id")
    if piano_id is not None and (page := read_page(settings, piano_id)) is not None:
        read_at, unapplied = read_freshness(settings, piano_id)
        text = render_piano(say, page, read_at, unapplied, LATE + settings.pause)
        return text, piano_as_json(page, read_at, unapplied)
    if entity.name == "clients" and (client := read_client(settings, looked.external_id)) is not None:
        return render_client(say, client), {"kind": "client", "client": client}
    if record is None:
        raise CommandRefused(
            gettext(
                "{id} was read from Gazelle and is not in production: `gazelle-sync errors --show {id}` says why.",
                id=looked.external_id,
            )
        )
    found = {"kind": entity.name, "record": record.values, "names": record.names}
    return render_record(say, record), found


@click.command()
@click.argument("words", metavar="ID", nargs=-1, required=True)
@click.option("--at", "day", type=click.DateTime(formats=["%Y-%m-%d"]), help="The record at the end of a Montreal day.")
@JSON
def history(words: tuple[str, ...], day: Any, as_json: bool) -> None:
    """Show what changed in a record, version by version, and who changed it where that is known.

    With --at, all of the record as it was then, as far back as staging holds versions.
    """
    from gazelle_sync.entities import ENTITIES
    from gazelle_sync.errors import CommandRefused
    from gazelle_sync.i18n import gettext
    from gazelle_sync.i18n.translator import translator
    from gazelle_sync.shop.search.lookup import look_up, plain_json
    from gazelle_sync.shop.search.show import render_hits
    from gazelle_sync.shop.search.versions import read_changes, read_names, render_as_of, render_changes

    with shop_database(for_machines=as_json) as settings:
        say = translator(settings.language)
        looked = look_up(settings, " ".join(words))
        if looked.external_id is None:
            click.echo(render_hits(say, looked.hits), err=as_json)
            raise CommandRefused(gettext("Several records are meant: name one by its id."))
        entity = next(one for one in ENTITIES if one.name == looked.entity)
        changes = read_changes(settings, entity, looked.external_id)
        names = read_names(settings, changes, None if as_json else say)
        if day is not None:
            version = changes.as_of(day.date())
            text = render_as_of(say, changes, version, day.date(), names)
            found: Any = {**changes.as_json(names, [version]), "at": day.date().isoformat(), "record": version.rows}
        else:
            text, found = render_changes(say, changes, names), changes.as_json(names)
        click.echo(json.dumps(plain_json(found), indent=2, ensure_ascii=False) if as_json else text)
