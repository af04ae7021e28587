"""What `gazelle-sync show` prints: the desk's page of a piano, a client, a record, or a list of what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from textwrap import wrap
from typing import Any

from gazelle_sync.entities import entity_name
from gazelle_sync.i18n.translator import Message, Plural, Translator
from gazelle_sync.montreal import MONTREAL, spoken_lately
from gazelle_sync.settings import Settings
from gazelle_sync.shop.maintenance.alerts import KIND_NAMES, STATUS_NAMES
from gazelle_sync.shop.search.find import Hit
from gazelle_sync.shop.search.lookup import Record
from gazelle_sync.shop.search.piano import KINDS, PianoPage
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.names import with_name
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_watermarks

DAYS_SHOWN = 8
MEASURED_SHOWN = 3
WIDTH = 100
STATUSES = {
    "top": Message("Top"),
    "normal": Message("Normal"),
    "problematic": Message("Problematic"),
    "needs_replacement": Message("To be replaced"),
}
OUR_FIELDS = {
    "status": Message("Status"),
    "travail": Message("Work done"),
    "notes": Message("Notes"),
    "observations": Message("Observations"),
    "a_faire": Message("To do"),
}
FOUND = {
    "piano": Plural("{count} piano", "{count} pianos"),
    "client": Plural("{count} client", "{count} clients"),
    "invoice": Plural("{count} invoice", "{count} invoices"),
    "note": Plural("{count} note", "{count} notes"),
}


def read_freshness(settings: Settings, key: str) -> tuple[datetime | None, list[tuple[str, str, str, str | None]]]:
    """When Gazelle's notes were last read, aware UTC; and what was read about a piano and is not shown.

    Returns:
        The instant, and (entity, id, status, reason) of each record that waits or is in error.
    """
    with borrow(str(settings.database_url)) as connection:
        marks = read_watermarks(connection)
        waiting = connection.execute(statement("search/piano_unapplied"), {"id": key}).fetchall()
    known = [marks[name] for name in ("pianos", "timeline") if name in marks]
    return min(known, default=None), [(one[0], one[1], one[2], one[3]) for one in waiting]


def render_piano(
    say: Translator,
    page: PianoPage,
    read_at: datetime | None,
    unapplied: Sequence[tuple[str, str, str, str | None]],
    late_after: timedelta,
) -> str:
    """A piano: what the desk's page says of it, and why what somebody looks for may not be here."""
    piano = page.piano
    title = " ".join(filter(None, (piano["name"] or say("Piano"), piano["serial_number"])))
    lines = [f"{title}  {piano['id']}"]
    if piano["deleted_at"]:
        lines.append("✗ " + say("Gazelle has this piano no longer."))
    client = with_name(piano["client_id"], {piano["client_id"]: piano["client"]}) if piano["client_id"] else "—"
    facts = [
        (say("Client"), client), (say("Room"), piano["room"]), (say("Tags"), ", ".join(piano["tags"])),
        (say("Last service"), _day(say, piano["last_service"])),
        (say("Next service"), _day(say, piano["next_service"])), (say("Notes at Gazelle"), piano["notes"]),
    ]  # fmt: skip
    lines += _facts(facts)
    lines += ["", say("Our notes"), *_our_row(say, page)]
    lines += _conflicts(say, page)
    if page.alerts:
        lines += ["", say("Alerts")]
        lines += [
            f"  {say(KIND_NAMES[kind])} ({say(STATUS_NAMES[status])}), {_day(say, day)}: {_short(words)}"
            for _, kind, status, words, day in page.alerts
        ]
    if page.measured:
        lines += ["", say("Measurements")]
        lines += [
            "  " + _measured(say, day, humidity, temperature)
            for day, humidity, temperature, *_ in page.measured[:MEASURED_SHOWN]
        ]
    lines += ["", say("History"), *_history(say, page.days)]
    lines += ["", *_freshness(say, piano["id"], read_at, unapplied, late_after)]
    return "\n".join(lines)


def piano_as_json(
    page: PianoPage, read_at: datetime | None, unapplied: Sequence[tuple[str, str, str, str | None]]
) -> dict[str, Any]:
    """The same for machines; instants in UTC."""
    names = ("day", "humidity", "temperature", "a4_pitch")
    alerts = ("id", "kind", "status", "description", "day")
    return {
        "kind": "piano",
        "piano": {name: value for name, value in page.piano.items() if name not in ("row", "rows")},
        "row": page.piano["row"],
        "rows": page.piano["rows"] or 0,
        "push": {"state": page.push.state, "at": page.push.at, "reason": page.push.reason},
        "conflicts": [one.as_json() for one in page.conflicts],
        "alerts": [dict(zip(alerts, row, strict=True)) for row in page.alerts],
        "measurements": [dict(zip(names, row, strict=True)) for row in page.measured],
        "history": page.days,
        "read_at": read_at,
        "unapplied": [dict(zip(("entity", "external_id", "status", "reason"), one, strict=True)) for one in unapplied],
    }


def render_client(say: Translator, client: Mapping[str, Any]) -> str:
    """A client with contacts and pianos."""
    lines = [f"{client['name'] or say('Client')}  {client['id']}"]
    if client["deleted_at"]:
        lines.append("✗ " + say("Gazelle has this client no longer."))
    email, phone = client["email"], client["phone"]
    lines += _facts(
        [(say("City"), client["city"]), (say("E-mail"), email), (say("Phone"), phone),
         (say("Tags"), ", ".join(client["tags"])), (say("Notes at Gazelle"), client["notes"])]
    )  # fmt: skip
    if client["contacts"]:
        lines += ["", say("Contacts")]
        lines += [
            "  " + ", ".join(filter(None, (one["name"], one["role"], one["email"], one["phone"])))
            for one in client["contacts"]
        ]
    if client["pianos"]:
        lines += ["", say(FOUND["piano"], count=len(client["pianos"]))]
        lines += [
            "  " + "  ".join(filter(None, (one["piano"], one["serial_number"], one["room"], one["id"])))
            for one in client["pianos"]
        ]
    return "\n".join(lines)


def render_record(say: Translator, record: Record) -> str:
    """A record of another kind: its columns, with names beside the ids."""
    lines = [f"{entity_name(say, record.entity)}: {with_name(record.external_id, record.names)}"]
    shown = {name: value for name, value in record.values.items() if name not in ("id", "external_id")}
    return "\n".join([*lines, *_facts([(name, with_name(str(value), record.names)) for name, value in shown.items()])])


def render_hits(say: Translator, hits: Mapping[str, Sequence[Hit]]) -> str:
    """What was found, of each kind the first; the id is what to say next."""
    lines: list[str] = []
    for kind, found in hits.items():
        lines.append(say(FOUND[kind], count=found[0].total))
        lines += ["  " + _hit(say, hit) for hit in found]
        if found[0].total > len(found):
            lines.append("  " + say("… and {count} more", count=found[0].total - len(found)))
    lines.append(say("One of them: `gazelle-sync show ID`, or more words."))
    return "\n".join(lines)


def _hit(say: Translator, hit: Hit) -> str:
    number = f"#{hit.number}" if hit.number is not None else None
    parts: list[str | None] = [number] if hit.kind == "invoice" else []
    parts += [" ".join(filter(None, (hit.piano, hit.serial_number))) or None, hit.client, hit.room]
    if hit.kind in ("note", "invoice") and hit.happened_at is not None:
        parts.insert(0, _day(say, hit.happened_at.astimezone(MONTREAL).date()))
    said = f"«{_short(hit.said)}»" if hit.kind == "note" and hit.said else None
    return ", ".join(filter(None, [*parts, said])) + f"  {hit.external_id}"


def _our_row(say: Translator, page: PianoPage) -> list[str]:
    row = page.piano["row"]
    if row is None:
        return ["  " + say("Nothing was written here yet.")]
    status = row.get("status")
    values = {**row, "status": say(STATUSES[status]) if status in STATUSES else status}
    lines = _facts([(say(label), values.get(column)) for column, label in OUR_FIELDS.items()])
    if row.get("updated_by"):
        lines.append("  " + say("Last edited by {who}.", who=row["updated_by"]))
    if row.get("a_faire"):
        lines.append("  " + say("“To do” is between technicians: it stays in the shop and is never sent."))
    if (page.piano["rows"] or 0) > 1:
        text = Plural(
            "{count} row is about this piano, and only one can count: `gazelle-sync doctor` says which.",
            "{count} rows are about this piano, and only one can count: `gazelle-sync doctor` says which.",
        )
        lines.append("  ✗ " + say(text, count=page.piano["rows"]))
    return [*lines, *_push(say, page)]


def _push(say: Translator, page: PianoPage) -> list[str]:
    push, key = page.push, page.piano["id"]
    at = spoken_lately(say, push.at) if push.at else ""
    again = "    → " + say("`gazelle-sync push --piano {id}` sends it now.", id=key)
    next_try = [say("Next try: {when}.", when=at)] if at else []
    if push.state == "sent":
        return ["  " + say("At Gazelle ✓ {when}", when=at)]
    if push.state == "due":
        return ["  ● " + " ".join([say("Waits to be sent to Gazelle."), *next_try]), again]
    if push.state == "hidden":
        return ["  ● " + say("Hidden: stays in the shop.")]
    if push.state == "doubt":
        text = say(
            "It is not known yet whether it arrived at Gazelle: it is looked for there before anything is sent again."
        )
        return ["  ● " + text]
    if push.state == "error":
        return ["  ✗ " + " ".join([push.reason or "…", *next_try]), again]
    return ["  ● " + say("It was never sent to Gazelle.")]


def _conflicts(say: Translator, page: PianoPage) -> list[str]:
    if not page.conflicts:
        return []
    lines = ["", say("Conflicts")]
    for one in page.conflicts:
        lost, won = (one.theirs, one.ours) if one.winner == "ours" else (one.ours, one.theirs)
        field = say(OUR_FIELDS[one.field]) if one.field in OUR_FIELDS else one.field
        lines.append(
            "  ✗ "
            + say(
                "{field}: both sides changed it. {won} counts, {lost} was kept aside.",
                field=field, won=f"«{_short(won)}»", lost=f"«{_short(lost)}»",
            )
        )  # fmt: skip
        take = "theirs" if one.winner == "ours" else "ours"
        lines.append("    → " + say("Take the other: {command}", command=_resolve(one.id, take)))
    return lines


def _resolve(number: int, take: str) -> str:
    return f"`gazelle-sync conflicts resolve {number} --take {take}`"


def _history(say: Translator, days: Sequence[Mapping[str, Any]]) -> list[str]:
    if not days:
        return ["  " + say("None.")]
    lines = []
    for one in days[:DAYS_SHOWN]:
        lines.append("  " + _day(say, one["day"]))
        for entry in one["entries"]:
            kind = say(KINDS[entry["kind"]]) if entry["kind"] in KINDS else entry["kind"]
            at = say.time(entry["at"]) if entry["at"] else None
            head = ", ".join(filter(None, (kind, at, entry["who"])))
            texts = dict.fromkeys(filter(None, (entry["title"], entry["details"])))
            lines += _wrapped(f"{head}: " + " — ".join(" ".join(str(text).split()) for text in texts), "    ")
    if len(days) > DAYS_SHOWN:
        lines.append("  " + say("… and {count} more", count=len(days) - DAYS_SHOWN))
    return lines


def _freshness(
    say: Translator,
    key: str,
    read_at: datetime | None,
    unapplied: Sequence[tuple[str, str, str, str | None]],
    late_after: timedelta,
) -> list[str]:
    lines = []
    for entity, external_id, status, reason in unapplied:
        if status == "pending":
            said = say("{name} {id} was read from Gazelle and waits to be applied: the next run does it.",
                       name=entity_name(say, entity), id=external_id)  # fmt: skip
        else:
            said = say("{name} {id} was read from Gazelle and cannot be shown: {reason}",
                       name=entity_name(say, entity), id=external_id, reason=reason or "…")  # fmt: skip
        lines += ["✗ " + said, f"  → `gazelle-sync errors --show {external_id}`"]
    if read_at is None:
        return [*lines, "✗ " + say("Gazelle's notes were never read: `gazelle-sync sync`.")]
    if datetime.now(UTC) - read_at > late_after:
        said = say(
            "Gazelle was last read at {when}: what was written there since is not here yet.",
            when=spoken_lately(say, read_at),
        )
        lines += ["✗ " + said, "  → " + say("`gazelle-sync sync` reads it now. Is `gazelle-sync up` running?")]
    else:
        lines.append("✓ " + say("Gazelle was last read at {when}.", when=spoken_lately(say, read_at)))
    lines.append("  " + say("Is it as Gazelle has it? `gazelle-sync verify --only pianos,timeline`"))
    lines.append("  " + say("How it came to be so: `gazelle-sync history {id}`", id=key))
    return lines


def _facts(facts: Iterable[tuple[str, Any]]) -> list[str]:
    told = [(name, str(value)) for name, value in facts if value not in (None, "", [])]
    width = max((len(name) for name, _ in told), default=0)
    return [line for name, value in told for line in _wrapped(value, "  " + name.ljust(width) + "  ", width + 4)]


def _wrapped(text: str, first: str, indent: int | None = None) -> list[str]:
    rest = " " * (len(first) + 2 if indent is None else indent)
    return wrap(" ".join(text.split()), WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False)


def _measured(say: Translator, day: date, humidity: Any, temperature: Any) -> str:
    parts = [] if humidity is None else [say("humidity {value} %", value=humidity)]
    parts += [] if temperature is None else [f"{temperature}°"]
    return f"{_day(say, day)}: " + ", ".join(parts or ["—"])


def _day(say: Translator, day: date | None) -> str:
    return "" if day is None else say.date(day, year=True)


def _short(text: object) -> str:
    said = " ".join(str("—" if text is None else text).split())
    return said if len(said) <= 60 else said[:60] + "…"
