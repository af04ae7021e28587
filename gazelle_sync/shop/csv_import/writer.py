"""Writes the records of one chunk, and says what became of each. All in the caller's transaction.

Gazelle's own rows are never written. What people wrote in the shop's tables stays: an import fills what is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg import sql

from gazelle_sync.entities import IMPORTED
from gazelle_sync.i18n import gettext
from gazelle_sync.shop.csv_import.matching import (
    PRODUCT,
    Decision,
    Lookup,
    client_called,
    rejected,
    resolve_names,
)
from gazelle_sync.shop.csv_import.records import OLD_PREFIX, TABLES, Record
from gazelle_sync.shop.csv_import.values import plain
from gazelle_sync.warehouse.connect import Connection, statement

Numbered = Sequence[tuple[int, Record]]
"""Records with their places in the chunk."""
Decisions = dict[int, Decision]


class Writer:
    """Writes the records of one kind of file.

    Args:
        connection: In a transaction.
        source: Of the files.
        client: Whose pianos a school's sheet is about.
        pulled: Entities that were pulled: of the others, Gazelle's ids are taken as they are.
    """

    def __init__(self, connection: Connection, source: str, client: str | None, pulled: frozenset[str]) -> None:
        self._connection = connection
        self._source = source
        self._client = client
        self._pulled = pulled
        self._lookup = Lookup(connection, source)

    def write(self, entity: str, records: Numbered) -> Decisions:
        """What becomes of each record, after it was written."""
        if entity in TABLES:
            return self._write_records(entity, records)
        special: dict[str, Callable[[Numbered], Decisions]] = {
            "products": self._write_products, "displays": self._write_products, "inventory": self._write_movements,
            "transactions": self._write_movements, "alerts": self._write_alerts,
            "alert_clients": self._match_alert_clients, "school_pianos": self._match_school_pianos,
        }  # fmt: skip
        return special[entity](records)

    def _with_names(self, records: Numbered, decisions: Decisions) -> list[tuple[int, Record]]:
        """The records of which everything that they need is here; the others are decided."""
        found = self._lookup.named(record for _, record in records)
        clients = self._lookup.clients_by_name() if any(record.called for _, record in records) else {}
        whole = []
        for place, record in records:
            lack = _resolve_called(record, clients) or resolve_names(record, found)
            if lack is not None:
                decisions[place] = lack
            else:
                whole.append((place, record))
        return whole

    def _write_records(self, entity: str, records: Numbered) -> Decisions:
        decisions: Decisions = {}
        whole = self._with_names(records, decisions)
        only = [record for _, record in whole]
        here = self._lookup.held(entity, [i for r in only for i in (r.gazelle_id, r.old_id) if i])
        earlier = self._lookup.became(entity, [record.old_id for record in only])
        matches = self._lookup.matched(entity, only)
        rows = []
        for place, record in whole:
            merged = self._merged(entity, record, here, earlier, matches.get(record.old_id, []))
            if merged is not None:
                decisions[place] = merged
                continue
            keeps = (
                record.gazelle_id is not None
                and entity not in self._pulled
                and not record.gazelle_id.startswith(OLD_PREFIX)
            )
            external_id = str(record.gazelle_id) if keeps else record.old_id
            rows.append({"external_id": external_id, **record.values})
            decisions[place] = Decision("merged" if external_id in here else "imported", external_id)
            if len(several := matches.get(record.old_id, [])) > 1:
                decisions[place].reason = gettext(
                    "several of Gazelle's have its key: {ids}", ids=", ".join(sorted(several))
                )
        if entity == "timeline" and rows:
            self._link_twins(whole, rows, decisions)
        self._upsert(TABLES[entity], rows)
        return decisions

    def _merged(
        self, entity: str, record: Record, here: set[str], earlier: Mapping[str, str], matches: Sequence[str]
    ) -> Decision | None:
        """The record of Gazelle's that a record is; None: it is one of its own."""
        if record.gazelle_id in here:
            return Decision("merged", record.gazelle_id, gettext("by its id"))
        before = earlier.get(record.old_id)
        if before is not None and not before.startswith(IMPORTED):
            return Decision("merged", before, gettext("as in an earlier import"))
        if entity == "invoice_items" and not str(record.values["invoice_external_id"]).startswith(IMPORTED):
            reason = gettext("the lines of that invoice are Gazelle's")
            return Decision("merged", record.values["invoice_external_id"], reason)
        if len(matches) == 1 and before is None:
            return Decision("merged", matches[0], gettext("by its key"))
        return None

    def _link_twins(self, whole: Numbered, rows: Sequence[dict[str, Any]], decisions: Decisions) -> None:
        twins = self._lookup.twins(rows)
        for row in rows:
            row["duplicate_of"] = twins.get(row["external_id"])
        for place, record in whole:
            if record.old_id in twins:
                decisions[place] = Decision("merged", twins[record.old_id], gettext("Gazelle has the same entry"))

    def _upsert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        columns = list(rows[0])
        kept = columns[1:]
        comma = sql.SQL(", ")
        query = sql.SQL(statement("warehouse/upsert")).format(
            table=sql.Identifier(table),
            columns=comma.join(map(sql.Identifier, columns)),
            assignments=comma.join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in kept),
            held=comma.join(sql.SQL("held.{}").format(sql.Identifier(name)) for name in kept),
            incoming=comma.join(sql.SQL("EXCLUDED.{}").format(sql.Identifier(name)) for name in kept),
        )
        self._connection.execute(query, {"rows": _json(rows)})

    def _write_products(self, records: Numbered) -> Decisions:
        """Products, matched by Gazelle's id, by what an earlier import made of them, then by the shop's number."""
        decisions: Decisions = {}
        earlier = self._lookup.became("products", [record.old_id for _, record in records])
        skus = {place: record.values.get("sku") or record.old_id for place, record in records}
        found = self._connection.execute(
            statement("csv_import/products_held"),
            {
                "gazelle_ids": [record.gazelle_id for _, record in records if record.gazelle_id],
                "skus": list(skus.values()),
                "ids": [int(before.removeprefix(PRODUCT)) for before in earlier.values()],
            },
        ).fetchall()
        held = {key: row_id for row_id, gazelle_id, sku, _ in found for key in (gazelle_id, sku) if key}
        names = {row_id: plain(name or "") for row_id, *_, name in found}
        rows: list[dict[str, Any]] = []
        made: dict[str, list[int]] = {}
        for place, record in records:
            before = int(earlier.get(record.old_id, PRODUCT + "0").removeprefix(PRODUCT))
            row_id = held.get(record.gazelle_id or "") or (before if before in names else None) or held.get(skus[place])
            if (
                skus[place] == record.old_id
                and not before
                and row_id
                and names[row_id] != plain(record.values["name_fr"])
            ):
                # Two systems may have given one number to two products that have none of the shop's.
                skus[place], row_id = f"{record.old_id}_{self._source}", None
            values = dict(record.values)
            if record.gazelle_id is not None:  # names and prices are Gazelle's: gazelle_products has them
                values |= {"name_fr": None, "name_en": None, "retail_price": None}
            elif row_id is None:
                values["sku"] = skus[place]
            key = record.gazelle_id or skus[place]
            rows.append({"place": place, "id": row_id, "product_external_id": record.gazelle_id, **values})
            if row_id is not None:
                decisions[place] = Decision("merged", f"{PRODUCT}{row_id}")
            elif key in made:
                rows.pop()
                made[key].append(place)
            else:
                made[key] = [place]
        if rows:
            self._connection.execute("SELECT set_config('gazelle_sync.pushing', 'on', true)")
            inserted = self._connection.execute(
                statement("csv_import/products_write"), {"rows": _json(rows)}
            ).fetchall()
            self._connection.execute("SELECT set_config('gazelle_sync.pushing', '', true)")
            for row_id, gazelle_id, sku in inserted:
                places = made.get(gazelle_id or "") or made.get(sku or "") or []
                for place in places:
                    decisions[place] = Decision("imported" if place == places[0] else "merged", f"{PRODUCT}{row_id}")
        return decisions

    def _write_movements(self, records: Numbered) -> Decisions:
        decisions: Decisions = {}
        technicians = self._lookup.technicians()
        counted: set[tuple[int, str]] = set()
        rows: list[dict[str, Any]] = []
        for place, record in self._with_names(records, decisions):
            values = record.values
            called = str(values.pop("technician"))
            technician = technicians.get(plain(called)) or (called if called.startswith("usr_") else None)
            if technician is None:
                decisions[place] = rejected(gettext("nobody here is called {name}", name=repr(called[:60])))
                continue
            product = int(str(values.pop("shop_product_id")).removeprefix(PRODUCT))
            if "quantity" in values and (product, technician) in counted:
                decisions[place] = rejected(gettext("another row has counted the same product of the same person"))
                continue
            counted.add((product, technician))
            defaults = {"location": "main", "kind": "count", "delta": None, "quantity": None, "reorder_threshold": None}
            rows.append(
                {
                    "place": place,
                    "shop_product_id": product,
                    "technician": technician,
                    "import_key": f"{self._source}:{record.old_id}",
                }
                | defaults
                | {"reason": gettext("from the older system")}
                | {name: value for name, value in values.items() if value is not None}
            )
        keys = [row["import_key"] for row in rows]
        held = {key for (key,) in self._connection.execute(statement("csv_import/movements_held"), {"keys": keys})}
        if rows:
            self._connection.execute(statement("csv_import/movements_write"), {"rows": _json(rows)})
            thresholds = [{**row, "threshold": row["reorder_threshold"]} for row in rows]
            self._connection.execute(statement("csv_import/thresholds_write"), {"rows": _json(thresholds)})
        for row in rows:
            outcome = "merged" if row["import_key"] in held else "imported"
            decisions[row["place"]] = Decision(outcome, f"inventory_movements:{row['import_key']}")
        return decisions

    def _write_alerts(self, records: Numbered) -> Decisions:
        """Alerts; where a mapping names the client of one, that counts and not the client that the row names."""
        decisions: Decisions = {}
        mapped = self._lookup.became("alert_clients", [record.old_id for _, record in records])
        for _, record in records:
            if (client := mapped.get(record.old_id)) is not None:
                record.names["client_external_id"] = ("clients", client)
                record.called.clear()
        rows = []
        for place, record in self._with_names(records, decisions):
            row = {"external_id": record.old_id, **record.values}
            row.setdefault("piano_external_id", None)
            rows.append(row)
            decisions[place] = Decision("merged", record.old_id)
        if rows:
            made = self._connection.execute(statement("csv_import/alerts_write"), {"rows": _json(rows)}).fetchall()
            new = {external_id for (external_id,) in made}
            for decision in decisions.values():
                if decision.external_id in new:
                    decision.outcome = "imported"
        return decisions

    def _match_alert_clients(self, records: Numbered) -> Decisions:
        clients = self._lookup.clients_by_name()
        return {place: client_called(record.values["name"], clients) for place, record in records}

    def _match_school_pianos(self, records: Numbered) -> Decisions:
        decisions: Decisions = {}
        pianos = self._lookup.pianos_of(self._client) if self._client else []
        taken: dict[str, int] = {}
        for place, record in records:
            if self._client is None:
                decisions[place] = rejected(gettext("whose pianos these are, --client ID says"))
                continue
            serial, make = _serial(record.values["serial_number"]), plain(record.values["make"] or "")
            found = [i for i, is_make, has, _ in pianos if has and _serial(has) == serial and _agree(make, is_make)]
            if len(found) != 1:
                reason = gettext("no piano of this client has that serial number and make")
                if found:
                    reason = gettext("several pianos have that serial number: {ids}", ids=", ".join(sorted(found)))
                decisions[place] = rejected(reason)
            elif found[0] in taken:
                decisions[place] = rejected(gettext("another row of the sheet has the same serial number"))
            else:
                taken[found[0]] = place
                decisions[place] = Decision("merged", found[0], gettext("by its key"))
        return decisions


def _resolve_called(record: Record, clients: Mapping[str, Sequence[str]]) -> Decision | None:
    """Put the clients that are named by their names into the values; a rejection where one is not here."""
    for column, name in record.called.items():
        found = client_called(name, clients)
        if found.external_id is None:
            return found
        record.values[column] = found.external_id
    return None


def _serial(text: str) -> str:
    return "".join(text.split()).upper().lstrip("0")


def _agree(make: str, other: str | None) -> bool:
    """Whether two makes may be one: a sheet may leave it out, or name the model with it."""
    return not make or not other or plain(other) in make or make in plain(other)


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
