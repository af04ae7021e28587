"""Bodies on their way into staging: what is stored beside each, and their lines in COPY's text format.

A page at a time and a column at a time: a first import brings hundreds of thousands of bodies, and what is done for
each of them alone is paid for that many times.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gazelle_sync.entities import NAMELESS
from gazelle_sync.gazelle.answers import REPLACEMENT
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.montreal import parse_instant
from gazelle_sync.warehouse.copytext import NULL, escaped, escaped_all

STAMP_GRAIN = timedelta(seconds=1)
TOMBSTONE = b"null"

COLUMNS = (
    "id, external_id, raw_data, content_hash, gazelle_updated_at, is_unsettled, replaced_characters, "
    "fetched_at, run_id, is_unlisted, sync_status, processed_at, attempts"
)


class Version(msgspec.Struct, frozen=True, gc=False):
    """One body as it will be stored.

    Attributes:
        external_id: Of the record.
        raw: The body as JSON, its keys sorted: an API that changes their order changes nothing.
        content_hash: Of `raw`; None for a tombstone.
        stamp: Its `updatedAt`, aware UTC.
        is_unsettled: Whether its stamp is not older than the second it was read in.
        start: An appointment's start, aware UTC.
        replaced: How many characters are U+FFFD because PostgreSQL cannot hold what Gazelle sent.
    """

    external_id: str
    raw: bytes
    content_hash: bytes | None
    stamp: datetime | None = None
    is_unsettled: bool = False
    start: datetime | None = None
    replaced: int = 0


_encode = msgspec.json.Encoder(order="sorted").encode


def hash_of(raw: bytes) -> bytes:
    """The hash of a body's JSON."""
    return hashlib.blake2b(raw, digest_size=16).digest()


def hash_of_held(body: Any) -> bytes:
    """The hash of a body as staging holds it: the one that was taken of it, unless something changed it since."""
    return hash_of(_encode(body))


def versions_of(bodies: Sequence[Any], answer: Answer) -> list[Version]:
    """What will be stored of the bodies of one answer.

    Args:
        bodies: Records as the API sent them.
        answer: Where they came from: its clock decides which stamps are settled.
    """
    settled_before = answer.not_before - STAMP_GRAIN
    return [_version(body, settled_before, counts_replaced=answer.has_replacements) for body in bodies]


def tombstone(external_id: str) -> Version:
    """A version that says that Gazelle has the record no more: its body is JSON null."""
    return Version(external_id, TOMBSTONE, None)


def columns_of(
    versions: Sequence[Version], fetched_at: datetime, run_id: str, *, unlisted: bool, processed: Collection[str]
) -> dict[str, Any]:
    """Versions as the parameters of `staging_insert.sql`, an array for each column.

    Args:
        versions: Of one answer.
        fetched_at: When it was read.
        run_id: Of the run.
        unlisted: Whether these records are absent from their list.
        processed: Ids of those whose rows are written in the same transaction; the others are pending.
    """
    row_ids = _ordered_uuids()
    return {
        "ids": [next(row_ids) for _ in versions],
        "external_ids": [v.external_id for v in versions],
        "bodies": array_of(versions),
        "hashes": [v.content_hash for v in versions],
        "stamps": [v.stamp for v in versions],
        "unsettled": [v.is_unsettled for v in versions],
        "replaced": [v.replaced for v in versions],
        "processed": [v.external_id in processed for v in versions],
        "fetched_at": fetched_at,
        "run_id": run_id,
        "unlisted": unlisted,
    }


def array_of(versions: Sequence[Version]) -> str:
    """Bodies as one JSON array: as an array of texts, each would be searched for what has to be escaped."""
    bodies = b",".join([version.raw for version in versions])
    return f"[{bodies.decode()}]"


def copy_lines(versions: Sequence[Version], fetched_at: datetime, run_id: str, *, unlisted: bool) -> bytes:
    """Versions as lines of COPY's text format, with the columns of `COLUMNS`.

    Their rows are written in the same transaction, so they are `processed`.

    Args:
        versions: Of one answer.
        fetched_at: When it was read.
        run_id: Of the run.
        unlisted: Whether these records are absent from their list.
    """
    read_at = fetched_at.isoformat()
    common = f"\t{read_at}\t{escaped(run_id)}\t{unlisted}\tprocessed\t{read_at}\t1\n".encode()
    ids = escaped_all([v.external_id for v in versions])
    heads = [f"{row_id}\t{external_id}" for row_id, external_id in zip(_ordered_uuids(), ids, strict=False)]
    tails = [
        f"{NULL if v.content_hash is None else _BYTEA + v.content_hash.hex()}\t"
        f"{NULL if v.stamp is None else v.stamp.isoformat()}\t{v.is_unsettled}\t{v.replaced}"
        for v in versions
    ]
    # JSON holds no bare line break, so one replacement serves the whole page; backslashes are all there is to escape.
    bodies = b"\n".join([v.raw for v in versions]).replace(b"\\", b"\\\\").split(b"\n")
    parts = zip(heads, bodies, tails, strict=True)
    lines = [b"\t".join((head.encode(), body, tail.encode())) for head, body, tail in parts]
    return common.join([*lines, b""])


_BYTEA = "\\\\x"


def _version(body: Any, settled_before: datetime, *, counts_replaced: bool) -> Version:
    raw = _encode(body)
    content_hash = hash_of(raw)
    replaced = raw.decode().count(REPLACEMENT) if counts_replaced else 0
    if body.__class__ is not dict:
        return Version(_name_for_nameless(raw), raw, content_hash, replaced=replaced)
    external_id, said, start = body.get("id"), body.get("updatedAt"), body.get("start")
    if external_id.__class__ is not str or not external_id:
        external_id = _name_for_nameless(raw)
    stamp = None if said is None else parse_instant(said)
    return Version(
        external_id,
        raw,
        content_hash,
        stamp,
        stamp is not None and stamp > settled_before,
        None if start is None else parse_instant(start),
        replaced,
    )


def _name_for_nameless(raw: bytes) -> str:
    """A record without id is kept under a name made of its content, so that a person can find it."""
    return f"{NAMELESS}{hashlib.blake2b(raw, digest_size=8).hexdigest()}"


def _ordered_uuids() -> Iterator[str]:
    """UUIDs of version 7 that grow with time: the primary key of a big staging table is then written at its end.

    (Random ones, the column's default, land all over it: with millions of rows that is a read from disk each.)
    """
    tail = f"{0x8000 | secrets.randbits(14):04x}-{secrets.randbits(48):012x}"
    while True:
        milliseconds = f"{time.time_ns() // 1_000_000:012x}"
        for n in range(0x1000):
            yield f"{milliseconds[:8]}-{milliseconds[8:]}-7{n:03x}-{tail}"
