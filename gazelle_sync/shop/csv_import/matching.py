"""Matches the records of one chunk with those in the database: which record each is, and which ones it names.

A record is matched by its id, then by a strict key, and by nothing less: serial number and make, e-mail, number and
client. Where a key fits several records it decides nothing, and the report names them. Names that only resemble each
other are proposed to a person.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import msgspec
from psycopg import sql

from gazelle_sync.entities import IMPORTED
from gazelle_sync.i18n import gettext
from gazelle_sync.shop.csv_import.outcomes import FileOutcome, Proposal
from gazelle_sync.shop.csv_import.records import SHORT, TABLES, Record
from gazelle_sync.shop.csv_import.values import plain
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, together

PRODUCT: Final = "shop_products:"
"""Before the id of a product in `staging_import.external_id`: the table has no external ids of its own."""
LEAST_SIMILARITY: Final = 86.0
"""Of 100, from which on two names are proposed to a person as perhaps the same client."""
MOST_PROPOSALS: Final = 500


@dataclass(slots=True)
class Decision:
    """What becomes of a row.

    Attributes:
        outcome: `imported`, `merged`, `rejected` or `skipped`.
        external_id: The record that it became or that was there.
        reason: Why, or by what it was matched.
    """

    outcome: str
    external_id: str | None = None
    reason: str | None = None


def rejected(reason: str) -> Decision:
    """The decision that a row is not imported, and why."""
    return Decision("rejected", None, reason)


class Lookup:
    """Looks records of one source up in the database.

    Args:
        connection: In a transaction.
        source: Of the records: an old id is one of its own source.
    """

    def __init__(self, connection: Connection, source: str) -> None:
        self._connection = connection
        self._source = source

    def named(self, records: Iterable[Record]) -> dict[tuple[str, str], str]:
        """Entity and id of a named record → the id under which it is here."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for record in records:
            for entity, asked in record.names.values():
                wanted[entity].add(asked)
        questions: list[Question] = []
        for entity, ids in wanted.items():
            questions.append(self._resolve(entity, ids))
            if entity in TABLES:
                questions.append(_held(TABLES[entity], ids))
        answers = iter(together(self._connection, *questions)) if questions else iter(())
        found: dict[tuple[str, str], str] = {}
        for entity in wanted:
            found |= {(entity, asked): external_id for asked, external_id in next(answers)}
            if entity in TABLES:
                found |= {(entity, external_id): external_id for (external_id,) in next(answers)}
        return found

    def became(self, entity: str, ids: Iterable[str]) -> dict[str, str]:
        """Old id → the record that it became in an earlier import."""
        return dict(self._ask(*self._resolve(entity, ids)))

    def held(self, entity: str, ids: Iterable[str]) -> set[str]:
        """Which records of an entity are here."""
        return {external_id for (external_id,) in self._ask(*_held(TABLES[entity], ids))}

    def matched(self, entity: str, records: Sequence[Record]) -> dict[str, list[str]]:
        """Old id → the records of Gazelle's that have the record's strict key."""
        keys = {record.old_id: key for record in records if (key := strict_key(entity, record.values)) is not None}
        if not keys:
            return {}
        by_key = dict(self._ask(statement(MATCHES[entity]), {"keys": sorted(set(keys.values()))}))
        return {old_id: by_key[key] for old_id, key in keys.items() if key in by_key}

    def twins(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Old id → the entry of Gazelle's own that says the same."""
        said = [
            {
                "old_id": row["external_id"],
                "client": row["client_external_id"],
                "piano": row.get("piano_external_id"),
                "occurred_at": row["occurred_at"],
                "words": words(row),
            }
            for row in rows
        ]
        return dict(self._ask(statement("csv_import/twins"), {"rows": msgspec.json.encode(said).decode()}))

    def technicians(self) -> dict[str, str]:
        """A person's id, name or e-mail, in small letters → the id; of a name that two have, nothing."""
        found: dict[str, set[str]] = defaultdict(set)
        for external_id, *called in self._ask(statement("csv_import/technicians"), None):
            for name in (external_id, *called):
                if name:
                    found[plain(name)].add(external_id)
        return {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}

    def clients_by_name(self) -> dict[str, list[str]]:
        """What clients are called, as texts are compared → their ids."""
        found: dict[str, list[str]] = defaultdict(list)
        for external_id, *names in self._ask(statement("csv_import/client_names"), None):
            for name in {plain(name) for name in names if name}:
                found[name].append(external_id)
        return found

    def pianos_of(self, client: str) -> list[tuple[str, str | None, str | None, str | None]]:
        """Id, make, serial number and place of a client's pianos."""
        return [tuple(row) for row in self._ask(statement("csv_import/pianos_of_client"), {"client": client})]

    def _resolve(self, entity: str, ids: Iterable[str]) -> Question:
        entities = ["products", "displays"] if entity == "products" else [entity]
        return statement("csv_import/resolve"), {"entities": entities, "source": self._source, "ids": list(ids)}

    def _ask(self, query: Any, parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, parameters).fetchall()


def _held(table: str, ids: Iterable[str]) -> Question:
    query = sql.SQL("SELECT external_id FROM {} WHERE external_id = ANY (%s)").format(sql.Identifier(table))
    return query, [list(ids)]


MATCHES: Final[Mapping[str, LiteralString]] = {
    "clients": "csv_import/by_email", "contacts": "csv_import/by_contact", "pianos": "csv_import/by_serial",
    "invoices": "csv_import/by_number",
}  # fmt: skip
"""Entity → the statement that finds Gazelle's records by their strict key."""


def strict_key(entity: str, values: Mapping[str, Any]) -> str | None:
    """The strict key of a record; None: it has none."""
    if entity == "clients":
        return str(values["email"]).strip().lower() if values.get("email") else None
    if entity == "contacts":
        return f"{values['client_external_id']} {str(values['email']).strip().lower()}" if values.get("email") else None
    if entity == "pianos":
        serial = str(values.get("serial_number") or "").strip().upper()
        is_one = len(re.sub(r"\D", "", serial)) >= 4  # shorter ones were rooms
        return f"{str(values['make']).strip().lower()} {serial}" if is_one else None
    if entity == "invoices":
        return f"{values['client_external_id']} {values['number']}" if values.get("number") is not None else None
    return None


def words(row: Mapping[str, Any]) -> str:
    """What an entry says, as twins are compared (`twins.sql` makes the same of Gazelle's)."""
    for column in ("description", "title"):
        if text := re.sub(r"\s+", " ", (row.get(column) or "").lower()).strip():
            return text
    return ""


def client_called(name: str, clients: Mapping[str, Sequence[str]]) -> Decision:
    """The client of a name, among those that are here; a rejection where none or several have it."""
    found = clients.get(plain(name), [])
    if len(found) == 1:
        return Decision("merged", found[0], gettext("by its name"))
    if found:
        return rejected(gettext("several clients are called so: {ids}", ids=", ".join(sorted(found))))
    return rejected(gettext("no client is called {name}", name=repr(name[:80])))


def resolve_names(record: Record, found: Mapping[tuple[str, str], str]) -> Decision | None:
    """Put the records that are named into the values; a rejection where one that is needed is not here."""
    for column in record.needs - record.names.keys() - record.called.keys():
        return rejected(gettext("it does not say which {what} it belongs to", what=column.removesuffix("_external_id")))
    for column, named in record.names.items():
        external_id = found.get(named)
        if external_id is None and column in record.needs:
            what = SHORT.get(named[0], named[0])
            shown = named[1].removeprefix(f"{IMPORTED}{what}_")
            return rejected(gettext("its parent is not here: {what} {id}", what=named[0], id=shown[:80]))
        record.values[column] = external_id
    return None


def propose(connection: Connection, files: Sequence[FileOutcome], import_id: int) -> list[Proposal]:
    """Clients that this import made, or looked for by name, whose name resembles that of one of Gazelle's.

    They are not merged: a person decides.

    Args:
        connection: To the database.
        files: What became of the files.
        import_id: Of the import.
    """
    if not any(one.entity in ("clients", "alert_clients") for one in files):
        return []
    from rapidfuzz import fuzz, process

    made = connection.execute(statement("csv_import/made_clients"), {"import_id": import_id}).fetchall()
    named = connection.execute(statement("csv_import/client_names")).fetchall()
    gazelles = [(i, name) for i, *names in named if not i.startswith(IMPORTED) for name in names if name]
    choices = [plain(name) for _, name in gazelles]
    found = []
    for what, name in made:
        best = process.extractOne(plain(name), choices, scorer=fuzz.token_sort_ratio, score_cutoff=LEAST_SIMILARITY)
        if best is not None:
            external_id, other = gazelles[best[2]]
            found.append(Proposal(what, name, external_id, other, best[1]))
    return sorted(found, key=lambda one: -one.score)[:MOST_PROPOSALS]
