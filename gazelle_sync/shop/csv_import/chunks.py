"""Imports one chunk of rows: from the file's text to `staging_import` and the tables, in the caller's transaction.

A row is known by a hash of all its columns, so that one that was imported before is found again wherever it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec
from psycopg import sql

from gazelle_sync.i18n import gettext
from gazelle_sync.shop.csv_import.files import Row
from gazelle_sync.shop.csv_import.kinds import DetectedKind
from gazelle_sync.shop.csv_import.matching import Decision, rejected
from gazelle_sync.shop.csv_import.outcomes import FileOutcome
from gazelle_sync.shop.csv_import.records import TABLES, Record, Skipped, read
from gazelle_sync.shop.csv_import.values import Unreadable
from gazelle_sync.shop.csv_import.writer import Writer
from gazelle_sync.warehouse.connect import Connection, statement

SETTLED = ("imported", "merged", "skipped")


@dataclass(slots=True)
class Staged:
    """A row that is being imported."""

    line: int
    row_hash: str
    repetition: int
    raw: bytes
    cells: dict[str, str]
    problem: str = ""
    record: Record | None = None
    decision: Decision | None = None
    is_settled: bool = False


@dataclass(slots=True)
class ReadSoFar:
    """What an import has read of one source's entity so far.

    Attributes:
        hashes: How often each row was read.
        ids: Old id → the file and the line that used it first.
    """

    hashes: Counter[str] = field(default_factory=Counter)
    ids: dict[str, str] = field(default_factory=dict)


class Chunks:
    """Takes in the rows of one file.

    Args:
        detected: Its kind.
        header: Its columns as they are written.
        file: Its name.
        import_id: Of the import.
        client: Whose pianos a school's sheet is about.
        pulled: Entities that were pulled.
        seen: What the import has read of this source's entity.
    """

    def __init__(
        self,
        detected: DetectedKind,
        header: Sequence[str],
        file: str,
        import_id: int,
        client: str | None,
        pulled: frozenset[str],
        seen: ReadSoFar,
    ) -> None:
        self._detected, self._file, self._import_id, self._client = detected, file, import_id, client
        self._pulled, self._seen = pulled, seen
        self._header = _unique(header)
        self._by_name = sorted(range(len(header)), key=lambda place: (detected.columns[place], place))

    def take(self, connection: Connection, rows: Sequence[Any], outcome: FileOutcome | None) -> None:
        """Import rows.

        Args:
            connection: In a transaction.
            rows: Of the file, as `_staged` takes them.
            outcome: What becomes of them is added here; None: nobody asks.

        Raises:
            psycopg.Error: A row cannot be written. Nothing of the chunk may be committed then.
        """
        staged: list[Staged] = []
        self._new_ids: list[str] = []
        try:
            staged += map(self._staged, rows)
            self._find_known(connection, staged)
            for one in staged:
                if not one.is_settled:
                    self._read(one)
            waiting = [(place, one.record) for place, one in enumerate(staged) if one.record and not one.decision]
            if waiting:
                writer = Writer(connection, self._detected.kind.source, self._client, self._pulled)
                for place, decision in writer.write(self._detected.kind.entity, waiting).items():
                    staged[place].decision = decision
            self._stage(connection, [one for one in staged if not one.is_settled])
        except BaseException:
            self._seen.hashes.subtract(one.row_hash for one in staged)  # the rows come again, fewer at a time
            for old_id in self._new_ids:
                del self._seen.ids[old_id]
            raise
        if outcome is not None:
            for one in staged:
                decided = one.decision or rejected("")
                outcome.add(one.line, decided.outcome, decided.reason, decided.external_id, one.raw.decode())

    def refuse(self, connection: Connection, row: Row, reason: str, outcome: FileOutcome) -> None:
        """Note a row that the database refuses."""
        one = self._staged(row)
        one.decision = rejected(reason)
        self._stage(connection, [one])
        outcome.add(one.line, "rejected", reason, None, one.raw.decode())

    def _staged(self, row: Row) -> Staged:
        cells: dict[str, str] = {}
        if row.problem:
            content, raw = row.text, {"": row.text}
        else:
            names, values = self._detected.columns, row.values
            content = "\x1f".join(f"{names[place]}={values[place]}" for place in self._by_name if values[place])
            raw = {name: value for name, value in zip(self._header, values, strict=True) if value}
            for name, value in zip(names, values, strict=True):
                if value:
                    cells.setdefault(name, value)
        if self._client is not None:
            content = f"{self._client}\x1e{content}"
        row_hash = blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        repetition = self._seen.hashes[row_hash]
        self._seen.hashes[row_hash] += 1
        problem = row.problem or self._doubled(row)
        return Staged(row.line, row_hash, repetition, msgspec.json.encode(raw), cells, problem)

    def _doubled(self, row: Row) -> str:
        """Why a row cannot be read though its fields could: a column that is missing, or there twice."""
        if self._detected.missing:
            return gettext("the file lacks the column {columns}", columns=", ".join(self._detected.missing))
        for name in self._detected.doubled:
            said = {v for n, v in zip(self._detected.columns, row.values, strict=True) if n == name and v}
            if len(said) > 1:
                return gettext("the column {column} is there twice and says two things", column=name)
        return ""

    def _find_known(self, connection: Connection, staged: Sequence[Staged]) -> None:
        """Settle the rows that an earlier import has settled, and whose records are still here."""
        kind = self._detected.kind
        parameters = {"source": kind.source, "entity": kind.entity, "hashes": [one.row_hash for one in staged]}
        known = {
            (row_hash, repetition): (outcome, old_id, external_id)
            for row_hash, repetition, outcome, old_id, external_id in connection.execute(
                statement("csv_import/known"), parameters
            )
            if outcome in SETTLED
        }
        if not known:
            return
        ids = [external_id for _, _, external_id in known.values() if external_id]
        is_here = self._still_here(connection, ids)
        for one in staged:
            found = known.get((one.row_hash, one.repetition))
            if found is None or one.problem:
                continue
            outcome, old_id, external_id = found
            if external_id is not None and is_here is not None and external_id not in is_here:
                continue
            one.is_settled = True
            if old_id is not None and not old_id.endswith(one.row_hash):
                self._first_use(old_id, one)
            settled = "skipped" if outcome == "skipped" else "merged"
            one.decision = Decision(settled, external_id, gettext("as in an earlier import"))

    def _still_here(self, connection: Connection, ids: Sequence[str]) -> set[str] | None:
        """Which records are still here; None: the entity's are not looked for."""
        entity = self._detected.kind.entity
        if entity not in TABLES:
            return None
        tables = {TABLES[entity], *([TABLES["invoices"]] if entity == "invoice_items" else [])}
        found: set[str] = set()
        for table in tables:
            query = sql.SQL("SELECT external_id FROM {} WHERE external_id = ANY (%s)").format(sql.Identifier(table))
            found |= {external_id for (external_id,) in connection.execute(query, [list(ids)])}
        return found

    def _read(self, one: Staged) -> None:
        if one.problem:
            one.decision = rejected(one.problem)
            return
        if not one.cells:
            one.decision = Decision("skipped", None, gettext("the row is empty"))
            return
        try:
            one.record = read(self._detected.kind.entity, one.cells, one.row_hash)
        except Unreadable as error:
            one.decision = rejected(str(error))
            return
        except Skipped as error:
            one.decision = Decision("skipped", None, str(error))
            return
        if one.record.old_id.endswith(one.row_hash):  # it has no id of its own: the same row is the same record
            if one.repetition:
                one.decision = Decision("merged", one.record.old_id, gettext("the file has the same row before"))
            return
        first = self._first_use(one.record.old_id, one)
        if first == self._place(one):
            return
        if one.repetition:
            one.decision = Decision("merged", one.record.old_id, gettext("the same row as {first}", first=first))
        else:
            one.decision = rejected(gettext("its id is that of another row: {first}", first=first))
            one.record = None

    def _place(self, one: Staged) -> str:
        return f"{self._file}:{one.line}"

    def _first_use(self, old_id: str, one: Staged) -> str:
        """Where an id was used first."""
        if old_id not in self._seen.ids:
            self._seen.ids[old_id] = self._place(one)
            self._new_ids.append(old_id)
        return self._seen.ids[old_id]

    def _stage(self, connection: Connection, staged: Sequence[Staged]) -> None:
        if not staged:
            return
        kind = self._detected.kind
        rows = []
        for one in staged:
            decision = one.decision or rejected("")
            rows.append({
                "line": one.line, "row_hash": one.row_hash, "repetition": one.repetition,
                "raw_data": msgspec.Raw(one.raw), "outcome": decision.outcome,
                "old_id": one.record.old_id if one.record else None,
                "gazelle_id": one.record.gazelle_id if one.record else None,
                "external_id": decision.external_id, "reason": decision.reason,
            })  # fmt: skip
        parameters = {
            "import_id": self._import_id, "source": kind.source, "entity": kind.entity, "file": self._file,
            "rows": msgspec.json.encode(rows).decode(),
        }  # fmt: skip
        connection.execute(statement("csv_import/stage"), parameters)


def _unique(header: Sequence[str]) -> list[str]:
    """The names of columns, each once: the keys of `raw_data`."""
    seen: Counter[str] = Counter()
    names = []
    for name in header:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names
