"""What a local table has to say of itself to be pushed: one declaration, which every stage reads.

Another table is one migration (with `SELECT gazelle.push_table(…)`), one declaration in `pushables/`, and a module in
`transports/` that knows its kind of record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import LiteralString, NamedTuple, cast

from psycopg import sql

from gazelle_sync.entities import IMPORTED, Entity
from gazelle_sync.i18n.translator import Message, translator
from gazelle_sync.push.fields.scalars import Scalar, Written, day_of
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import UNDO, WHOLE, Action, JsonValue, Plan, Remote, Row, Values
from gazelle_sync.push.plan import Draft, Field, Writing, value_text
from gazelle_sync.push.transports.protocol import Ending, Kind, Update
from gazelle_sync.warehouse.connect import Connection, statement

BLANKS = " \t\n\r\f\v\u00a0\u2007\u2009\u200a\u200b\u200c\u200d\u202f\u2060\u3000\ufeff"
"""What may come along with an id that is pasted; `gazelle.bare_id` names the same."""
TRUE_WORDS = ["true", "t", "yes", "oui", "on", "1"]
"""What a column that hides a row holds where it does, whatever its type."""


def record_id(text: str) -> str:
    """An id as it was meant."""
    return text.strip(BLANKS)


class Verdict(NamedTuple):
    """What a gate says of a row.

    Attributes:
        reason: Why it stays here; None: it goes.
        is_told: Whether the row says so already.
        remark: What is to be known about whatever is sent of it.
    """

    reason: str | None = None
    is_told: bool = False
    remark: str | None = None


Gate = Callable[[Connection, str], Mapping[str, Verdict]]
"""Local id → what is said of a row, in a language. It reads only, and not at Gazelle."""

_composed: dict[tuple[object, ...], sql.SQL] = {}
"""A statement's name and what it says of a table → its text."""


@dataclass(frozen=True)
class Pushable:
    """A local table whose edits go to Gazelle.

    Attributes:
        entity: Whose records its rows speak of.
        table: Its name.
        key: Column that tells its rows apart.
        record_key: Column with the record's external id; it may be the same.
        columns: The columns that Gazelle is to know: the triggers' arguments too.
        instants: Those of them that hold an instant, whatever their type: one without a zone is Montreal's.
        hidden: Column that keeps a row in the shop while it is true; None: there is none. One that speaks of a record
            that only an older system knows stays there too.
        fields: What becomes of the columns.
        kind: How its records are read and written; actions that write an attribute are sent in its order.
        last_pull: SQL for what the last pull saw of the record, in its production row `p`, as a JSON object.
        edit_snapshot: SQL for the same in a staged body `b`.
        names: SQL for what people call a record, beside its id, in its production row `p`.
        known_by: SQL, a list of what a person may type instead of the id, in small letters.
        noun: What staff call one of its records.
        creates: Whether a row without an external id makes its record.
        refuses_nameless: Whether a row without one is a mistake; otherwise it stays here, unless it makes its record.
        parent: Table and column of the row here under whose record the row's own is made: it goes first.
        parent_record: Column with the external id of that record, where it is no row's.
        called: What its checks are called, where that is not what the entity is.
        place: SQL, in a row `t`, for where the record that it makes is looked for, where there is no such row.
        are_changes: Whether a row is a change of a record, and not what the shop knows of it: several rows may name
            one record and go in their order, and one that has gone is not looked at again.
        in_turn: Whether rows made under one record go one after the other: what one may say depends on what the one
            before it left (a payment, on what is due).
        shared_doubt: What a row is told that waits for one of another record (`Action.shared`): a key of `MESSAGES`.
        gate: Says which rows stay here, by what is known here: they are looked at again with each push.
        on_delete: The action that ends the record of a row that is deleted here; None: Gazelle keeps the record. The
            migration says the same: `keep` (the row's state, until that is done) or `forget`.
    """

    entity: Entity
    table: str
    key: str
    record_key: str
    columns: tuple[str, ...]
    fields: Sequence[Field]
    kind: Kind
    last_pull: LiteralString
    edit_snapshot: LiteralString
    names: LiteralString
    known_by: LiteralString
    noun: Message
    instants: tuple[str, ...] = ()
    hidden: str | None = None
    creates: bool = False
    refuses_nameless: bool = False
    parent: tuple[str, str] | None = None
    parent_record: str | None = None
    called: str | None = None
    place: LiteralString | None = None
    are_changes: bool = False
    in_turn: bool = False
    shared_doubt: str = "shared_doubt"
    gate: Gate | None = None
    on_delete: str | None = None

    def plan(
        self, row: Row, remote: Remote, *,
        current: Remote | None = None, api_ahead: timedelta = timedelta(0), language: str = "en",
    ) -> Plan:  # fmt: skip
        """What is to be done about a row. Pure.

        Args:
            row: Local.
            remote: Gazelle's record, as it is compared.
            current: Gazelle's record as it is right now, where somebody edited it between a read and a write: `remote`
                is then the state that our write replaced. None: `remote`.
            api_ahead: How far Gazelle's clock is ahead of the database's.
            language: Of the problems, `en` or `fr`.
        """
        if row.is_deleted:
            return self._ending(row, remote)
        draft = Draft(self.table, row, remote, api_ahead, language, values=dict(remote.values))
        for column, (why, held) in row.faults.items():
            draft.problem(column, why, value=held[:60])
        if row.faults:
            return draft.plan
        for one in self.fields:
            if row.key or getattr(one, "makes_record", False):
                one.plan(draft)
        first: list[Action] = []
        for name, operation in self.updates.values():
            if found := _writes(draft, name, operation, current or remote):
                (draft.plan.actions if found.after else first).append(found)
        draft.plan.actions[:0] = first
        if row.remark is not None:
            draft.plan.actions = [
                replace(one, remark=" ".join(filter(None, (row.remark, one.remark)))) for one in draft.plan.actions
            ]
        return draft.plan

    @cached_property
    def updates(self) -> Mapping[str, tuple[str, Update]]:
        """Attribute of the record → the action that writes it: its name, and what it comes to."""
        operations = self.kind.operations.items()
        return {one.attribute: (name, one) for name, one in operations if isinstance(one, Update)}

    def _ending(self, row: Row, remote: Remote) -> Plan:
        """What is to be done about the record of a row that was deleted here."""
        ending = self.kind.operations.get(self.on_delete or "")
        if not isinstance(ending, Ending) or ending.has_ended(remote):
            return Plan()
        name = str(self.on_delete)
        identity = (self.table, row.name, name, row.revision)
        return Plan([Action(name, WHOLE, {"id": row.key}, {}, identity, shown=(row.key, ""))])

    def turn(self, row: Row) -> str | None:
        """What rows have in common that go one after the other, each planned against what the one before it left."""
        if self.are_changes:
            return row.key or None
        return row.parent if self.in_turn else None

    def writing(self, attribute: str) -> list[Written]:
        """The fields that write an attribute."""
        return [cast("Written", one) for one in self.fields if getattr(one, "attribute", None) == attribute]

    def fact_of(self, column: str, value: JsonValue) -> str | None:
        """A value of a local column as it becomes base: 125, 125.0 and 125.00 are one price, and a day is a day."""
        form = next((one.form for one in self.fields if isinstance(one, Scalar) and one.column == column), None)
        if form is None:
            return day_of(value) or (None if value is None else str(value))
        return form.agreed(value)

    def says(self, operation: Update, remote: Remote, payload: Values) -> bool:
        """Whether a record says what an update writes, as far as the fields know it; the rest of it is others'."""
        held, wrote = operation.value_in(remote.values), payload.get(operation.said_as)
        return all(one.has_same(remote.id, held, wrote) for one in self.writing(operation.attribute))

    def action_name(self, language: str, name: str) -> str:
        """What staff call an action."""
        return translator(language)(self.kind.operations[name.removeprefix(UNDO)].called)

    def no_record(self, language: str, name: str) -> str:
        """That Gazelle does not have a record."""
        return say(language, "no_record", what=translator(language)(self.noun), id=name)

    @property
    def dependents(self) -> frozenset[str]:
        """Actions that stand at Gazelle because of a text, and stay with it: whether it stays is decided first."""
        return frozenset(name for one in self.fields for name in getattr(one, "dependents", ()))

    def _record(self, alias: str) -> sql.Composed:
        """The external id that a row speaks of; NULL where it names none."""
        return self._id_in(alias, self.record_key)

    def _id_in(self, alias: str, name: str) -> sql.Composed:
        column = sql.Identifier(alias, name)
        return sql.SQL("nullif(btrim({}::text, {}), '')").format(column, sql.Literal(BLANKS))

    def query(self, name: str, **more: sql.Composable) -> sql.SQL | sql.Composed:
        """A statement of `sql/queries/push` about this table, whose rows it calls `t`.

        A push asks dozens of them, and to compose one takes as long as to run it: what is the same each time is
        composed once.
        """
        if more:
            return sql.SQL(statement(f"push/{name}")).format(**self._parts(), **more)
        known = (
            name, self.table, self.key, self.record_key, self.place, self.are_changes, self.last_pull,
            self.edit_snapshot, self.names, self.known_by, self.entity.name, self.hidden, self.parent_record,
            self.parent,
        )  # fmt: skip
        if known not in _composed:
            text = sql.SQL(statement(f"push/{name}")).format(**self._parts()).as_string(None)
            _composed[known] = sql.SQL(text)
        return _composed[known]

    def _parts(self) -> dict[str, sql.Composable]:
        """What the statements call the table's columns and its neighbours."""
        parts: dict[str, sql.Composable] = {
            "table": sql.Identifier(self.table), "source": sql.Literal(self.table), "imported": sql.Literal(IMPORTED),
            "local": sql.SQL("coalesce(to_jsonb({}) #>> '{{}}', '')").format(sql.Identifier("t", self.key)),
            "record": self._record("t"), "others_record": self._record("o"),
            "record_column": sql.Identifier(self.record_key), "are_changes": sql.Literal(self.are_changes),
            "production": sql.Identifier(self.entity.table.name), "staging": sql.Identifier(self.entity.staging_table),
            "parent": sql.SQL(self.place or "NULL::text"), "names": sql.SQL(self.names),
            "last_pull": sql.SQL(self.last_pull), "edit_snapshot": sql.SQL(self.edit_snapshot),
            "known_by": sql.SQL(self.known_by),
            "hidden": sql.SQL("coalesce(starts_with({}, {}), false)").format(self._record("t"), sql.Literal(IMPORTED)),
        }  # fmt: skip
        if self.hidden is not None:
            parts["hidden"] = sql.SQL("(coalesce(lower({}::text) = ANY ({}), false) OR {})").format(
                sql.Identifier("t", self.hidden), sql.Literal(TRUE_WORDS), parts["hidden"]
            )
        if self.parent_record is not None:
            parts["parent"] = self._id_in("t", self.parent_record)
        if self.parent is not None:
            parts["parent_key"] = sql.SQL("{}::text").format(sql.Identifier("t", self.parent[1]))
            parts["parent"] = sql.SQL(
                "(SELECT o.external_id FROM push_state AS o WHERE o.source_table = {} AND o.local_id = {}::text)"
            ).format(sql.Literal(self.parent[0]), sql.Identifier("t", self.parent[1]))
        return parts


def _writes(draft: Draft, name: str, operation: Update, current: Remote) -> Action | None:
    """The action that makes an attribute what the fields want; None where it is that."""
    update = draft.updates.get(operation.attribute)
    wanted = operation.value_in(draft.values)
    held = operation.value_in(current.values)
    if wanted == held:
        if update is not None:
            draft.plan.base_updates |= update.base_updates
            draft.plan.clashes += update.clashes  # our write has replaced theirs already
        return None
    update = update or Writing(operation.attribute)
    payload = {operation.said_as: wanted}
    shown = value_text(held, but=wanted), value_text(wanted, but=held)
    return Action(
        name, update.column, payload, update.base_updates, draft.identity(name, update.column, payload),
        after=update.after, clashes=tuple(update.clashes), shown=shown,
    )  # fmt: skip
