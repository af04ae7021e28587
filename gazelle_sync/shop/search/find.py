"""What a few words find, with the piece of text around them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from gazelle_sync.warehouse.connect import Connection, statement

KINDS = ("piano", "client", "invoice", "note")
LONGEST_QUERY = 200
SHOWN_AROUND = 160
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Hit:
    """Something that was found.

    Attributes:
        kind: One of `KINDS`.
        external_id: Its own id.
        total: How many of its kind there are.
        happened_at: Of a note and of an invoice, aware UTC.
        piano_id: Its piano, or None.
        piano: Make and model.
        serial_number: Of the piano.
        room: Where the piano stands.
        client_id: Its client, or None.
        client: The client's name.
        city: The client's.
        number: Of an invoice.
        status: Of an invoice, as Gazelle writes it.
        amount: Of an invoice, in dollars.
        said: The text of a note, of a piano, of an invoice.
    """

    kind: str
    external_id: str
    total: int
    happened_at: datetime | None
    piano_id: str | None
    piano: str | None
    serial_number: str | None
    room: str | None
    client_id: str | None
    client: str | None
    city: str | None
    number: int | None
    status: str | None
    amount: Decimal | None
    said: str | None


def find(
    connection: Connection, text: str, *, kind: str | None = None, after: int = 0, most: int = 20
) -> dict[str, list[Hit]]:
    """What holds all words of a text, each by its beginning; accents, case and punctuation do not count.

    Args:
        connection: Of `borrow`.
        text: What a person typed.
        kind: Only of this kind; None: of all.
        after: How many of each kind to leave out: those of earlier pages.
        most: How many of each kind.

    Returns:
        Kind → its hits, notes and invoices newest first; only kinds with hits.
    """
    asked = {"text": text[:LONGEST_QUERY].replace("\0", " "), "kind": kind, "after": after, "most": most}
    hits = [Hit(*row) for row in connection.execute(statement("search/find"), asked)]
    return {name: list(of_one) for name, of_one in groupby(hits, key=lambda hit: hit.kind)}


def plain(text: str) -> str:
    """A text as it is compared, letter for letter: small, without accents. It is as long as the text."""
    return "".join(_plain_letter(letter) for letter in text)


def pieces(text: str, query: str) -> list[tuple[str, bool]]:
    """The part of a text around the first word that was asked for, cut where words that were found begin and end.

    Returns:
        Pieces in their order, and whether each was asked for.
    """
    text = " ".join(text.split())
    found = list(_matches(plain(text), [plain(word) for word in _WORD.findall(query)]))
    start = max(0, (found[0][0] if found else 0) - SHOWN_AROUND // 2)
    if start:
        start = text.find(" ", start) + 1 or start
    end = min(len(text), start + SHOWN_AROUND)
    cut: list[tuple[str, bool]] = [("… ", False)] if start else []
    place = start
    for begins, ends in found:
        if begins >= place and ends <= end:
            cut += [(text[place:begins], False), (text[begins:ends], True)]
            place = ends
    cut.append((text[place:end] + (" …" if end < len(text) else ""), False))
    return [(part, is_hit) for part, is_hit in cut if part]


def _matches(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where words of a plain text begin with one that was asked for, and where that beginning ends."""
    for word in _WORD.finditer(text):
        longest = max((len(one) for one in words if word.group().startswith(one)), default=0)
        if longest:
            yield word.start(), word.start() + longest


def _plain_letter(letter: str) -> str:
    bare = unicodedata.normalize("NFKD", letter.lower())
    return next((one for one in bare if not unicodedata.combining(one)), letter)
