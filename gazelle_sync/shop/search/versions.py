"""A record through time: every version that staging holds, what changed between two, and who did where that is known.

Gazelle does not tell who edits a record. What the desk's journal and the push's log know stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from psycopg import sql

from gazelle_sync.entities import NAMELESS, Entity, entity_name
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext, language
from gazelle_sync.i18n.translator import Message, Translator, translator
from gazelle_sync.montreal import midnight, montreal_day, spoken_day, spoken_instant
from gazelle_sync.reconcile.rows import ReconcileError, Rows, Values
from gazelle_sync.settings import Settings
from gazelle_sync.shop.search.lookup import plain_json
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.names import names_of, with_name
from gazelle_sync.warehouse.pool import borrow, together

LONGEST = 100
NAMES = ("number", "year")
"""Columns whose number is a name and no count."""
DEEDS = {"desk": Message("{who} edited {field} at the desk"), "sent": Message("sent to Gazelle by us: {field}")}
SET_ASIDE = Message("set aside: it would empty what is here (docs/operations.md)")
IN_ERROR = Message("could not be applied")


@dataclass(frozen=True)
class FieldChange:
    """One column of one row that another version says otherwise.

    Attributes:
        table: Of production.
        external_id: Of the row: the record's own, or of a nested one.
        column: Which; None: the whole row came or went.
        before: Its value, None where the row is new.
        after: Its value, None where the row is gone.
    """

    table: str
    external_id: str
    column: str | None
    before: Any
    after: Any


@dataclass(frozen=True)
class Version:
    """One version.

    Attributes:
        read_at: When it was read from Gazelle, aware UTC.
        since: Since when the record was so, as far as is known: Gazelle's stamp, else when it was read.
        is_gone: Whether it says that Gazelle has the record no more.
        remark: What kept it from production, or None.
        rows: What its reconciler makes of it: table → rows.
        changes: What differs from the version before; of the first, nothing.
    """

    read_at: datetime
    since: datetime
    is_gone: bool
    remark: Message | None
    rows: Rows
    changes: list[FieldChange] = field(default_factory=list)


@dataclass(frozen=True)
class Deed:
    """What somebody of the shop did: `desk` or `sent`, who, which field, what was said."""

    at: datetime
    kind: str
    who: str | None
    field: str | None
    said: str | None


@dataclass(frozen=True)
class Changes:
    """All versions of a record that staging holds, and what people of the shop did about it.

    Attributes:
        entity: Its kind.
        external_id: Its id.
        versions: The oldest first.
        deeds: What people of the shop did, the oldest first.
    """

    entity: Entity
    external_id: str
    versions: list[Version]
    deeds: list[Deed]

    def as_of(self, day: date) -> Version:
        """The version that held at the end of a Montreal day.

        Raises:
            CommandRefused: Staging holds none from then or before.
        """
        end = midnight(day + timedelta(days=1))
        held = [one for one in self.versions if one.since < end and one.remark is None]
        if not held:
            say, first = translator(language()), montreal_day(self.versions[0].since)
            raise CommandRefused(
                gettext(
                    "Nothing is known of {id} on {day}: the oldest version that staging holds is of {first}.",
                    id=self.external_id, day=spoken_day(say, day), first=spoken_day(say, first),
                )
            )  # fmt: skip
        return held[-1]

    def as_json(self, names: dict[str, str], versions: Sequence[Version] | None = None) -> dict[str, Any]:
        """For machines; instants in UTC."""
        return {
            "entity": self.entity.name,
            "id": self.external_id,
            "name": names.get(self.external_id),
            "versions": [
                {
                    "read_at": one.read_at, "since": one.since, "deleted": one.is_gone, "remark": one.remark,
                    "changes": [
                        {"table": c.table, "id": c.external_id, "name": names.get(c.external_id), "field": c.column,
                         "before": plain_json(c.before), "after": plain_json(c.after)}
                        for c in one.changes
                    ],
                }
                for one in (versions or self.versions)
            ],
            "here": [
                {"at": one.at, "kind": one.kind, "who": one.who, "field": one.field, "said": one.said}
                for one in self.deeds
            ],
            "names": names,
        }  # fmt: skip


def read_changes(settings: Settings, entity: Entity, external_id: str) -> Changes:
    """Every version of a record that staging holds, and what people of the shop did about it.

    Raises:
        CommandRefused: Staging holds none.
        DatabaseError: The database cannot be reached.
    """
    query = sql.SQL(statement("search/versions")).format(staging=sql.Identifier(entity.staging_table))
    asked = {"id": external_id}
    with borrow(str(settings.database_url)) as connection:
        rows, deeds = together(connection, (query, asked), (statement("search/changes_here"), asked))
    if not rows or external_id.startswith(NAMELESS):
        raise CommandRefused(
            gettext("Staging holds no version of {id}: Gazelle never sent it, or it is not synced.", id=external_id)
        )
    versions: list[Version] = []
    for body, read_at, stamp, status, is_rejected, _ in rows:
        before = versions[-1] if versions else None
        found, can_be_read = _rows_of(entity, body)
        remark = SET_ASIDE if is_rejected else IN_ERROR if status == "error" or not can_be_read else None
        # A nested row can change without its record's stamp: then only the reading tells when.
        is_moved = stamp is not None and (before is None or stamp.astimezone(UTC) != before.since)
        since = stamp.astimezone(UTC) if is_moved and stamp else read_at.astimezone(UTC)
        held = found if body is not None or before is None else before.rows
        changes = _changes(entity, before.rows, held) if before is not None and can_be_read else []
        versions.append(Version(read_at.astimezone(UTC), since, body is None, remark, held, changes))
    done = [Deed(at.astimezone(UTC), kind, who, name, said) for at, kind, who, name, said, _ in deeds if at is not None]
    return Changes(entity, external_id, versions, done)


def read_names(settings: Settings, changes: Changes, say: Translator | None = None) -> dict[str, str]:
    """Id → name, of the record, its nested rows and all that they name or named; `say` as for `names_of`."""
    ids = {changes.external_id}
    for version in changes.versions:
        for rows in version.rows.values():
            for row in rows:
                ids |= {str(value) for name, value in row.items() if name.endswith("external_id") and value}
    with borrow(str(settings.database_url)) as connection:
        return names_of(connection, sorted(ids, key=lambda one: one != changes.external_id), say)


def render_changes(say: Translator, changes: Changes, names: dict[str, str]) -> str:
    """The versions of a record as text, the newest first."""
    lines = [f"{entity_name(say, changes.entity.name)}: {with_name(changes.external_id, names)}", ""]
    told: list[tuple[datetime, list[str]]] = []
    for n, version in enumerate(changes.versions):
        head = _known_since(say, version)
        if n == 0:
            body = [say("the oldest version that staging holds")]
        elif version.is_gone:
            body = [say("deleted at Gazelle")]
        else:
            body = [_change(say, one, names) for one in version.changes] or [say("no field that is kept here changed")]
        body += [f"⚠ {say(version.remark)}"] if version.remark else []
        told.append((version.since, [head, *(f"    {line}" for line in body)]))
    for deed in changes.deeds:
        who = deed.who or "?"
        said = say(DEEDS[deed.kind], who=who, field=deed.field or "—")
        value = f": {_short(deed.said)}" if deed.said and deed.kind == "desk" else ""
        told.append((deed.at, [f"{spoken_instant(say, deed.at)}  {said}{value}"]))
    for _, block in sorted(told, key=lambda one: one[0], reverse=True):
        lines += block
    return "\n".join(lines)


def render_as_of(say: Translator, changes: Changes, version: Version, day: date, names: dict[str, str]) -> str:
    """All of a record as a version has it."""
    name = entity_name(say, changes.entity.name)
    record = with_name(changes.external_id, names)
    lines = [
        say("{name}: {record}, at the end of {day} in Montreal", name=name, record=record, day=spoken_day(say, day))
    ]
    lines.append(_known_since(say, version))
    if version.is_gone:
        lines.append("✗ " + say("deleted at Gazelle"))
    for table, rows in version.rows.items():
        for row in rows:
            if table != changes.entity.table.name:
                lines.append(f"{table} {with_name(row['external_id'], names)}")
            values = {column: value for column, value in row.items() if value not in (None, "", [])}
            lines += [f"  {column}: {_value(say, column, value, names)}" for column, value in values.items()]
    return "\n".join(lines)


def _known_since(say: Translator, version: Version) -> str:
    since, read = spoken_instant(say, version.since), spoken_instant(say, version.read_at)
    return say("since {since}, read {read}", since=since, read=read)


def _rows_of(entity: Entity, body: Any) -> tuple[Rows, bool]:
    if body is None:
        return {}, True
    try:
        return entity.reconcile(body), True
    except ReconcileError:
        return {}, False


def _changes(entity: Entity, before: Rows, after: Rows) -> list[FieldChange]:
    found: list[FieldChange] = []
    for table in entity.tables:
        old = {row["external_id"]: row for row in before.get(table.name, ())}
        new = {row["external_id"]: row for row in after.get(table.name, ())}
        for external_id in old.keys() | new.keys():
            was, now = old.get(external_id), new.get(external_id)
            if was is None or now is None:
                found.append(FieldChange(table.name, external_id, None, _gist(was), _gist(now)))
                continue
            for column in now:
                # A merged column is told by what Gazelle said of it.
                is_told = column not in ("gazelle_updated_at", *table.merged)
                if is_told and was.get(column) != now[column]:
                    found.append(FieldChange(table.name, external_id, column, was.get(column), now[column]))
    return found


def _gist(row: Values | None) -> dict[str, Any] | None:
    return None if row is None else {name: value for name, value in row.items() if value not in (None, "", [])}


def _change(say: Translator, one: FieldChange, names: dict[str, str]) -> str:
    row = f"{one.table} {with_name(one.external_id, names)}"
    if one.column is None:
        return say("{row} is new", row=row) if one.before is None else say("{row} is gone", row=row)
    before, after = (_value(say, one.column, value, names) for value in (one.before, one.after))
    return say("{field}: {before} → {after}", field=one.column, before=before, after=after)


def _value(say: Translator, column: str, value: Any, names: dict[str, str]) -> str:
    """A column's value as people write it: days in words, numbers as their language has them."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, datetime):
        return spoken_instant(say, value)
    if isinstance(value, date):
        return spoken_day(say, value)
    if isinstance(value, time):
        return say.time(value)
    if isinstance(value, int | float | Decimal) and column not in NAMES:
        return say.exact(value)
    said = str(plain_json(value))
    return with_name(said, names) if said in names else f"«{_short(said)}»"


def _short(text: str) -> str:
    said = " ".join(text.split())
    return said if len(said) <= LONGEST else said[:LONGEST] + "…"
