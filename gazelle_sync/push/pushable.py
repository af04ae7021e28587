"""What a local table has to say of itself to be pushed: one declaration, which every stage reads.

Another table is one migration (with `SELECT gazelle.push_table(…)`), one declaration in `pushables/`, and a module in
`transports/` that knows its kind of record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import LiteralString

from psycopg import sql

from gazelle_sync.entities import IMPORTED, Entity
from gazelle_sync.i18n.translator import Message, translator
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import UNDO, WHOLE, Action, Plan, Remote, Row
from gazelle_sync.push.plan import Attribute, Field, make_plan
from gazelle_sync.push.transports.protocol import Ending, Kind
from gazelle_sync.warehouse.connect import statement

BLANKS = " \t\n\r\f\v\u00a0\u2007\u2009\u200a\u200b\u200c\u200d\u202f\u2060\u3000\ufeff"
"""What may come along with an id that is pasted; `gazelle.bare_id` names the same."""
TRUE_WORDS = ["true", "t", "yes", "oui", "on", "1"]
"""What a column that hides a row holds where it does, whatever its type."""


def record_id(text: str) -> str:
    """An id as it was meant."""
    return text.strip(BLANKS)


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
        attributes: The record's attributes that the fields write, and by which actions, in the order of sending.
        kind: How its records are read and written.
        pulled: SQL for what the last pull saw of the record, in its production row `p`, as a JSON object.
        seen: SQL for the same in a staged body `b`.
        names: SQL for what people call a record, beside its id, in its production row `p`.
        known_by: SQL, a list of what a person may type instead of the id, in small letters.
        noun: What staff call one of its records.
        creates: Whether a row without an external id makes its record.
        refuses_nameless: Whether a row without one is a mistake; otherwise it stays here, unless it makes its record.
        parent: Table and column of the row here under whose record the row's own is made: it goes first.
        on_delete: The action that ends the record of a row that is deleted here; None: Gazelle keeps the record. The
            migration says the same: `keep` (the row's state, until that is done) or `forget`.
    """

    entity: Entity
    table: str
    key: str
    record_key: str
    columns: tuple[str, ...]
    instants: tuple[str, ...]
    hidden: str | None
    fields: Sequence[Field]
    attributes: Mapping[str, Attribute]
    kind: Kind
    pulled: LiteralString
    seen: LiteralString
    names: LiteralString
    known_by: LiteralString
    noun: Message
    creates: bool = False
    refuses_nameless: bool = False
    parent: tuple[str, str] | None = None
    on_delete: str | None = None

    def plan(
        self,
        row: Row,
        remote: Remote,
        *,
        current: Remote | None = None,
        api_ahead: timedelta = timedelta(0),
        language: str = "en",
    ) -> Plan:
        """What is to be done about a row; see `plan.make_plan`."""
        if row.is_deleted:
            return self._ending(row, remote)
        return make_plan(
            self.table, self.fields, self.attributes, row, remote,
            current=current, api_ahead=api_ahead, language=language,
        )  # fmt: skip

    def _ending(self, row: Row, remote: Remote) -> Plan:
        """What is to be done about the record of a row that was deleted here."""
        ending = self.kind.operations.get(self.on_delete or "")
        if not isinstance(ending, Ending) or ending.has_ended(remote):
            return Plan()
        name = str(self.on_delete)
        identity = (self.table, row.name, name, row.revision)
        return Plan([Action(name, WHOLE, {"id": row.key}, {}, identity, shown=(row.key, ""))])

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

    def with_fields(self, fields: Sequence[Field]) -> Pushable:
        """The same with other fields."""
        return replace(self, fields=fields)

    def _record(self, alias: str) -> sql.Composed:
        """The external id that a row speaks of; NULL where it names none."""
        column = sql.Identifier(alias, self.record_key)
        return sql.SQL("nullif(btrim({}::text, {}), '')").format(column, sql.Literal(BLANKS))

    def query(self, name: str, **more: sql.Composable) -> sql.Composed:
        """A statement of `sql/queries/push` about this table, whose rows it calls `t`."""
        parts: dict[str, sql.Composable] = {
            "table": sql.Identifier(self.table),
            "source": sql.Literal(self.table),
            "local": sql.SQL("coalesce(to_jsonb({}) #>> '{{}}', '')").format(sql.Identifier("t", self.key)),
            "record": self._record("t"),
            "others_record": self._record("o"),
            "record_column": sql.Identifier(self.record_key),
            "imported": sql.Literal(IMPORTED),
            "parent": sql.SQL("NULL::text"),
            "pulled": sql.SQL(self.pulled),
            "seen": sql.SQL(self.seen),
            "names": sql.SQL(self.names),
            "known_by": sql.SQL(self.known_by),
            "hidden": sql.SQL("coalesce(starts_with({}, {}), false)").format(self._record("t"), sql.Literal(IMPORTED)),
            "production": sql.Identifier(self.entity.table.name),
            "staging": sql.Identifier(self.entity.staging_table),
        }
        if self.hidden is not None:
            parts["hidden"] = sql.SQL("(coalesce(lower({}::text) = ANY ({}), false) OR {})").format(
                sql.Identifier("t", self.hidden), sql.Literal(TRUE_WORDS), parts["hidden"]
            )
        if self.parent is not None:
            parts["parent_key"] = sql.SQL("{}::text").format(sql.Identifier("t", self.parent[1]))
            parts["parent"] = sql.SQL(
                "(SELECT o.external_id FROM push_state AS o WHERE o.source_table = {} AND o.local_id = {}::text)"
            ).format(sql.Literal(self.parent[0]), sql.Identifier("t", self.parent[1]))
        return sql.SQL(statement(f"push/{name}")).format(**parts, **more)
