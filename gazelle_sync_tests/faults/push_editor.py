"""Random edits for push cases: of rows in the shop's table, and of the same pianos at Gazelle, drawn from a seed.

The editor records what must be found at the end.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from gazelle_sync.push.block import Marks, read_block
from gazelle_sync_tests.faults import push_products
from gazelle_sync_tests.faults.push_products import PriceList
from gazelle_sync_tests.support.pushing import TABLE, WRITES, EditedShop
from gazelle_sync_tests.support.shop import Record, Row

STATUS = {"top": "TOP", "normal": "NORMAL", "problematic": "PROBLEMATIQUE", "needs_replacement": "A_REMPLACER"}
HERE, THERE = "vu ici", "vu là-bas"
"""How every text of observations begins: who wrote it."""
ODD = (
    "", "", "", " 🎹", " שלום", "\nDeuxième ligne", "\n[observations · gazelle_sync 000000]", " <b>&amp;</b> \\ '",
    " " + "x" * 100_000,
)  # fmt: skip
"""How texts end."""
VISITS = ("PushVisitCreated", "PushVisitChanged", "PushVisitCompleted")
Deed = Callable[[str], None]


def block_of(piano: str, notes: str | None) -> str | None:
    """What our block in a piano's notes says."""
    found = read_block(notes, Marks.of("observations", piano))
    return found.says if found else None


class PushEditor:
    """Edits some pianos, here and at Gazelle.

    Attributes:
        pianos: External ids.
        prices: Edits products likewise.
        gone: Those that were deleted at Gazelle.
        tags: Piano → the tags that are none of ours.
        texts: Piano → lines of its notes that are none of ours.
        foreign: Piano → the comments that others wrote, with how often.
        said: Texts that the local rows ever held, and that become comments.
        readings: (piano, text) → temperature and pitch that it holds.
        secrets: Texts that never leave.
        here: Piano → every text of observations that its local row ever held, in order; "" where it was emptied.
        there: Piano → likewise for the block at Gazelle.
        clashes: Piano → the two statuses of which one must stand in `sync_conflicts` as the loser.
        may_change_status: Not any more once it is settled which clashes there must be.
    """

    def __init__(self, office: EditedShop, draw: random.Random) -> None:
        self._office = office
        self._admin = office.shop.admin
        self._draw = draw
        self._count = 0
        self._one_at_a_time = threading.RLock()
        self.pianos = [office.piano(n, tags=["GRAND"], notes="Clé") for n in range(draw.randint(2, 3))]
        self.prices = PriceList(office.shop, draw)
        self.gone: set[str] = set()
        self.tags = {piano: {"GRAND"} for piano in self.pianos}
        self.texts = {piano: ["Clé"] for piano in self.pianos}
        self.foreign = {piano: self.comments()[piano] for piano in self.pianos}
        self.said: dict[str, set[str]] = defaultdict(set)
        self.readings: dict[tuple[str, str], tuple[int, int]] = {}
        self.secrets: set[str] = set()
        self.here: dict[str, list[str]] = defaultdict(list)
        self.there: dict[str, list[str]] = defaultdict(list)
        self.clashes: dict[str, tuple[str, str]] = {}
        self.may_change_status = True
        self._agreed: dict[str, str] = {}
        self._status_here: dict[str, str] = {}
        self._status_there: dict[str, str] = {}
        # One day a piano: another day would be another service, with the same words.
        self._done_at = {
            piano: datetime.now(UTC) - timedelta(days=draw.randint(0, 40), hours=draw.randint(0, 23))
            for piano in self.pianos
        }

    pulled = ("pianos", "products")
    tables = (TABLE, push_products.TABLE)

    @property
    def creates(self) -> list[str]:
        """See `Editor`: comments, visits, measurements."""
        visits = VISITS if self._office.service == "event" else ()
        return [WRITES[name][self._office.transport] for name in ("add_comment", "add_measurement")] + [*visits]

    @property
    def writes(self) -> list[str]:
        """See `Editor`."""
        return [holds[self._office.transport] for holds in WRITES.values()]

    @property
    def living(self) -> list[str]:
        """The pianos that are still at Gazelle."""
        return [piano for piano in self.pianos if piano not in self.gone]

    @property
    def in_trouble(self) -> bool:
        """See `Editor`."""
        return False

    def knows(self, record: str) -> bool:
        """See `Editor`."""
        return record in self.pianos

    def due(self) -> list[str]:
        """See `Editor`. A hidden row is not."""
        found = self._office.shop.query(
            "SELECT gazelle_id FROM vincent_dindy_piano_updates WHERE needs_sync AND NOT coalesce(is_hidden, false) "
            "UNION ALL SELECT product_external_id FROM shop_products WHERE needs_sync"
        )
        return [str(row[0]) for row in found]

    def begin(self) -> None:
        """See `Editor`."""
        for piano in self.pianos:
            self.edit_here(piano)
        for product in self.prices.products:
            self.prices.edit_here(product)

    def go_on(self) -> None:
        """See `Editor`."""
        if self._draw.random() < 0.4:
            self.edit_both(self._draw.choice(self.pianos))
        self.edit_here(self._draw.choice(self.pianos))
        self.prices.edit_here()

    def edit_every(self) -> None:
        """See `Editor`."""
        for piano in self.living:
            self.edit_here(piano)

    def work(self, deeds: int) -> list[str]:
        """Make some edits on both sides; gives their names."""
        choice: list[Deed] = [
            self.edit_here, self.edit_here, self.edit_here, self._tag, self._tag, self._write, self._set_status,
            self._write_into_block, self._comment, self._price_here, self._price_here, self._price_there,
        ]  # fmt: skip
        done = []
        for deed in self._draw.choices(choice, k=deeds):
            piano = self._draw.choice(self.living or self.pianos)
            deed(piano)
            done.append(f"{deed.__name__.strip('_')} {piano[-4:]}")
        return done

    def look(self) -> None:
        """Record what both sides hold now."""
        with self._one_at_a_time:
            self.prices.look()
            rows, records = self.rows(), self.records()
            for piano in self.living:
                row = rows.get(piano)
                block = block_of(piano, records[piano]["notes"])
                for text, seen in ((row and row["observations"], self.here), (block, self.there)):
                    if (text or seen[piano]) and seen[piano][-1:] != [text or ""]:
                        seen[piano].append(text or "")

    # ---- what there is

    def row(self, piano: str) -> Row | None:
        """The local row, if there is one."""
        rows = self._office.rows("gazelle_id = %s", piano)
        return rows[0] if rows else None

    def rows(self) -> dict[str, Row]:
        """All local rows by piano."""
        return {row["gazelle_id"]: row for row in self._office.rows()}

    def records(self) -> dict[str, Record]:
        """All pianos at Gazelle by id, read from the sandbox itself."""
        return {record["id"]: record for record in self._admin.dump("pianos")}

    def comments(self) -> dict[str, Counter[str]]:
        """Piano → everything that anybody wrote about it at Gazelle, with how often, read from the sandbox itself."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for entry in self._admin.dump("timeline"):
            if entry.get("pianoId") and entry.get("comment"):
                found[entry["pianoId"]][entry["comment"]] += 1
        return found

    def measured(self) -> dict[str, Counter[tuple[int, int]]]:
        """Piano → temperature and pitch of its measurements, with how often."""
        found: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
        for one in self._admin.dump("measurements"):
            found[one["pianoId"]][one["temperature"], one["a4Pitch"]] += 1
        return found

    def visits(self) -> Counter[tuple[str, str]]:
        """Client and mark of the visits that stand for work, with how often."""
        events = self._admin.dump("events")
        return Counter((e["clientId"], e["notes"]) for e in events if "[gazelle_sync" in (e.get("notes") or ""))

    def readings_of(self, piano: str) -> list[tuple[tuple[str, str], tuple[int, int]]]:
        """What stands in `readings` about a piano."""
        return [(key, value) for key, value in self.readings.items() if key[0] == piano]

    # ---- here

    def edit_here(self, piano: str) -> None:
        """What somebody enters into the shop's table."""
        values = self.entries(piano)
        self._office.edit(piano, **values)
        self.look()

    def _price_here(self, _: str) -> None:
        with self._one_at_a_time:
            self.prices.edit_here()

    def edit_both(self, piano: str) -> None:
        """The same is changed here and at Gazelle, before either side has heard of the other."""
        self.prices.edit_here()
        self.prices.edit_there()
        status = self._status_here[piano] = self._draw.choice(sorted(STATUS))
        self._office.edit(piano, status=status, observations=self._text(piano, HERE))
        self.look()
        self._set_status(piano)
        self._write_into_block(piano)

    def entries(self, piano: str) -> dict[str, Any]:
        """Some columns of a row, at least one, with new texts."""
        draw, values = self._draw, dict[str, Any]()
        with self._one_at_a_time:
            if self.may_change_status and draw.random() < 0.5:
                values["status"] = self._status_here[piano] = draw.choice(sorted(STATUS))
            if draw.random() < 0.5:
                values["observations"] = self._text(piano, HERE)
            if draw.random() < 0.3:
                values |= {"travail": self._text(piano, "travail"), "completed_at": self._done_at[piano]}
            if draw.random() < 0.2:
                values["a_faire"] = f"Ne pas le dire {draw.randrange(10**9)}"
                self.secrets.add(values["a_faire"])
            if not values or draw.random() < 0.6:
                values["notes"] = self._text(piano, "note")
            self.said[piano] |= {values[name] for name in ("notes", "travail") if name in values}
        return values

    def _text(self, piano: str, word: str) -> str:
        self._count += 1
        text = f"{word} {self._count}"
        if self._draw.random() < 0.3:
            readings = 10 + self._count % 30, 400 + self._count % 80
            text += f", {readings[0]}°C {readings[1]} Hz"
            self.readings[piano, text] = readings
            return text
        return text + self._draw.choice(ODD)

    # ---- at Gazelle

    def edit_there(self, piano: str) -> None:
        """What somebody changes at Gazelle."""
        for deed in self._draw.sample([self._tag, self._write, self._set_status], 2):
            deed(piano)

    def say_the_same(self, piano: str) -> None:
        """Somebody at Gazelle writes the very words that the local row holds."""
        row = self.row(piano) or {}
        for column in ("notes", "travail"):
            if row.get(column):
                self._comment(piano, row[column])

    def _tag(self, piano: str) -> None:
        tags = list(self._office.record(piano)["tags"])
        foreign = [tag for tag in tags if tag not in STATUS.values()]
        if len(foreign) > 1 and self._draw.random() < 0.3:
            gone = self._draw.choice(foreign)
            self.tags[piano].discard(gone)
            tags.remove(gone)
        else:
            self._count += 1
            tags.insert(0, f"étiquette {self._count}")
            self.tags[piano].add(tags[0])
        self._admin.edit("pianos", piano, tags=tags)

    def _write(self, piano: str) -> None:
        self._count += 1
        text, notes = f"texte {self._count}", self._office.record(piano)["notes"] or ""
        self._admin.edit("pianos", piano, notes=f"{text}\n{notes}" if self._draw.random() < 0.5 else f"{notes}\n{text}")
        self.texts[piano].append(text)

    def _set_status(self, piano: str) -> None:
        if not self.may_change_status:
            return
        value = self._status_there[piano] = self._draw.choice(sorted(STATUS))
        tags = [tag for tag in self._office.record(piano)["tags"] if tag not in STATUS.values()]
        self._admin.edit("pianos", piano, tags=[*tags, STATUS[value]])

    def set_status_there(self, piano: str) -> None:
        """Somebody at Gazelle changes a status, whatever it was: what clashed before is not looked for any more."""
        self.clashes.pop(piano, None)
        self.may_change_status = True
        self._set_status(piano)
        self.may_change_status = False

    def edit_all_there(self, piano: str) -> None:
        """Everything that a push may have written is changed at Gazelle, and more."""
        for deed in (self._tag, self._write, self._write_into_block, self.set_status_there):
            if self._draw.random() < 0.6:
                deed(piano)

    def _write_into_block(self, piano: str) -> None:
        notes = self._office.record(piano)["notes"]
        if (says := block_of(piano, notes)) is not None:
            self._count += 1
            self._admin.edit("pianos", piano, notes=notes.replace(f"\n{says}\n", f"\n{THERE} {self._count}\n"))
            self.look()

    def _price_there(self, _: str) -> None:
        with self._one_at_a_time:
            self.prices.edit_there()

    def _comment(self, piano: str, text: str | None = None) -> None:
        self._count += 1
        text = text or f"commentaire d'ailleurs {self._count}"
        client = self._office.record(piano)["clientId"]
        self._admin.create("timeline", pianoId=piano, clientId=client, comment=text, clientLogId=f"log_f{self._count}")
        self.foreign[piano][text] += 1

    # ---- statuses

    def agree(self) -> None:
        """Both sides are equal: what is changed from here on, on both, clashes."""
        self.prices.agree()
        self._status_here.clear()
        self._status_there.clear()
        self._agreed = {
            piano: row["status"] for piano, row in self.rows().items()
            if row["status"] and not row["needs_sync"] and row["base"]
        }  # fmt: skip

    def settle(self) -> None:
        """Nobody changes a status any more: it stands what clashes."""
        self.may_change_status = False
        for piano, agreed in self._agreed.items():
            ours, theirs = self._status_here.get(piano, agreed), self._status_there.get(piano, agreed)
            if len({agreed, ours, theirs}) == 3:
                self.clashes[piano] = (ours, theirs)
