"""The local tables that are pushed: one declaration each, which every stage reads.

Another table (appointments, invoices, alerts) is one migration with the trigger, one declaration, and what its actions
are in the transports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

from psycopg import sql

from gazelle_sync.entities import PIANOS, Entity
from gazelle_sync.push.fields import Block, Comment, Measured, Service, StatusTag
from gazelle_sync.push.plan import Field

BLANKS = " \t\n\r\f\v\u00a0\u2007\u2009\u200a\u200b\u200c\u200d\u202f\u2060\u3000\ufeff"
"""What may come along with an id that is pasted; the index of a table of edits names the same."""


def record_id(text: str) -> str:
    """An id as it was meant."""
    return text.strip(BLANKS)


@dataclass(frozen=True)
class Pushable:
    """A local table whose edits go to Gazelle.

    Attributes:
        entity: Whose records its rows speak of.
        table: Its name.
        key: Column with the record's external id.
        columns: The columns that Gazelle is to know: the trigger's arguments too.
        instants: Those of them that hold an instant, whatever their type: one without a zone is Montreal's.
        hidden: Column that keeps a row in the shop while it is true.
        fields: What becomes of the columns.
        pulled: SQL for what the last pull saw of the record, in its production row `p`, as a JSON object.
        seen: SQL for the same in a staged body `b`.
    """

    entity: Entity
    table: str
    key: str
    columns: tuple[str, ...]
    instants: tuple[str, ...]
    hidden: str
    fields: Sequence[Field]
    pulled: LiteralString
    seen: LiteralString

    def record(self) -> sql.Composed:
        """The external id that a row `t` speaks of; NULL where it names none."""
        return sql.SQL("nullif(btrim({}::text, {}), '')").format(sql.Identifier("t", self.key), sql.Literal(BLANKS))

    def local(self) -> sql.Composed:
        """The key of a row `t` in its table, as text."""
        return sql.SQL("coalesce(to_jsonb({}) #>> '{{}}', '')").format(sql.Identifier("t", self.key))

    def with_visits(self) -> Pushable:
        """The same where a visit makes the service entry, which moves the service history by itself."""
        fields = [replace(f, moves_last_service=False) if isinstance(f, Service) else f for f in self.fields]
        return replace(self, fields=fields)


PIANO_UPDATES = Pushable(
    entity=PIANOS,
    table="vincent_dindy_piano_updates",
    key="gazelle_id",
    columns=("status", "notes", "observations", "travail", "completed_at"),
    instants=("completed_at",),
    hidden="is_hidden",
    fields=(
        StatusTag(
            "status",
            {
                "needs_replacement": "A_REMPLACER",
                "problematic": "PROBLEMATIQUE",
                "normal": "NORMAL",
                "top": "TOP",
            },
        ),
        Block("observations", label="observations"),
        Comment("notes"),
        Service("travail", done_at="completed_at"),
        Measured(("travail", "notes", "observations"), done_at="completed_at"),
    ),
    pulled="jsonb_build_object('tags', to_jsonb(p.gazelle_tags), 'notes', coalesce(p.notes, ''))",
    seen="jsonb_build_object('tags', b.raw_data -> 'tags', 'notes', b.raw_data -> 'notes')",
)

PUSHABLES: tuple[Pushable, ...] = (PIANO_UPDATES,)
