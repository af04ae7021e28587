"""Verifies the kinds of record that have stamps, or a whole list: every id and stamp, and bodies, a sample or all."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from psycopg import sql

from gazelle_sync.errors import ApiError, CredentialsRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.stamps import stamps_of
from gazelle_sync.pull.validation import TRIES
from gazelle_sync.quality.verify.account import Account
from gazelle_sync.quality.verify.compare import ask_read_only, examine, examine_absent, suspects
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import borrow

SAMPLE = 100
"""Bodies of each kind of record that are read again where not all are: two requests by id."""
BODIES_PER_PAGE = 250
"""A client with its contacts is 2 kB of JSON and ten times that in memory."""
MOST_EXAMINED = 2000
"""So many records are read again by id, which takes forty requests; of more, only the number is told."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOVED = Message("Gazelle's list changed during every try, so it is not known which records it lacks.")
CANNOT_GIVE = Plural(
    "Gazelle has {count} record that it cannot give ({reason}).",
    "Gazelle has {count} records that it cannot give ({reason}).",
)


@dataclass
class _Listed:
    """What Gazelle's list said.

    Attributes:
        stamps: Id → `updatedAt`.
        is_complete: Whether it stood still, had no hole and no id twice.
        suspects: Ids whose rows are not as their bodies say.
    """

    stamps: dict[str, datetime | None] = field(default_factory=dict)
    is_complete: bool = False
    suspects: set[str] = field(default_factory=set)


def verify_list(account: Account) -> None:
    """Users, products, taxes: their list comes in one answer, so every body is compared each time."""
    bodies, _, is_complete = account.reader.whole_list(account.entity.page_operation)
    bodies = [body for body in bodies if _has_id(body)]
    account.findings.listed = account.findings.bodies = len(bodies)
    if not is_complete:
        account.findings.unproven.append(gettext("The list has nulls, or an id twice."))
    with borrow(account.url) as connection:
        account.findings.add(examine(connection, account.entity, bodies, account.read_until))
        if not bodies:
            account.findings.unproven.append(gettext("Gazelle sent an empty list, which is taken for a fault."))
            return
        table = sql.Identifier(account.entity.table.name)
        query = sql.SQL(statement("quality/verify_others")).format(table=table)
        [others] = ask_read_only(connection, (query, {"ids": [body["id"] for body in bodies]}))
        account.findings.add(examine_absent(connection, account.entity, [i for (i,) in others]))


def verify_stamps(account: Account, *, deep: bool) -> None:
    """Clients, pianos, invoices, appointments: every id and stamp by hash, and bodies, a sample or all."""
    unlisted = _unlisted(account)
    listed = _read_bodies(account) if deep else _Listed()
    if not listed.is_complete:
        before = listed
        listed = _read_stamps(account)
        listed.suspects = before.suspects | (listed.stamps.keys() - before.stamps.keys() if deep else set())
    account.findings.listed = len(listed.stamps)
    absent: list[str] = []
    if listed.is_complete:
        absent = _differing(account, listed, unlisted)
    else:
        account.findings.unproven.append(gettext(MOVED))
    if deep:
        listed.suspects |= set(unlisted)
    else:
        drawn = random.sample(sorted(listed.stamps), min(SAMPLE, len(listed.stamps)))
        drawn += random.sample(unlisted, min(SAMPLE // 2, len(unlisted)))
        account.findings.bodies += len(drawn)
        listed.suspects |= set(drawn)
    _examine_by_id(account, sorted(listed.suspects), absent, listed)


def _read_bodies(account: Account) -> _Listed:
    """Compare every body, a page at a time; the next page is read meanwhile."""
    listed = _Listed()
    totals: set[int] = set()
    has_holes = False
    size = min(BODIES_PER_PAGE, account.reader.page_size)
    pages = account.reader.completed_pages(account.entity.page_operation, {**account.sort_by, "first": size})
    try:
        for page in prefetch(pages):
            bodies = [body for body in page.nodes if _has_id(body)]
            has_holes = has_holes or page.holes > 0 or len(bodies) < len(page.nodes)
            totals.add(page.total)
            listed.stamps.update(stamps_of(bodies))
            account.findings.bodies += len(bodies)
            with borrow(account.url) as connection:
                listed.suspects |= suspects(connection, account.entity, bodies)
            account.show_progress(len(listed.stamps), page.total)
    except CredentialsRefused:
        raise
    except ApiError as error:  # one record that breaks its page must not hide the others
        account.findings.unproven.append(str(error))
        return listed
    listed.is_complete = not has_holes and totals == {len(listed.stamps)}
    return listed


def _read_stamps(account: Account) -> _Listed:
    """Every id and stamp, again while the list moves."""
    operation = account.entity.stamp_operation or account.entity.page_operation
    listed = _Listed()
    for _ in range(TRIES):
        listed = _Listed()
        totals: set[int] = set()
        has_holes = False
        for page in account.reader.pages(operation, account.sort_by):
            totals.add(page.total)
            has_holes = has_holes or page.holes > 0
            listed.stamps.update(stamps_of(page.nodes))
            account.show_progress(len(listed.stamps), page.total)
        listed.is_complete = not has_holes and totals == {len(listed.stamps)}
        if listed.is_complete or has_holes:
            break
    return listed


def _unlisted(account: Account) -> list[str]:
    names = {"staging": account.entity.staging_table, "table": account.entity.table.name}
    query = sql.SQL(statement("quality/verify_unlisted")).format(**_identifiers(names))
    with borrow(account.url) as connection:
        [rows] = ask_read_only(connection, (query, None))
    return [external_id for (external_id,) in rows]


def _differing(account: Account, listed: _Listed, unlisted: Sequence[str]) -> list[str]:
    """Add the records whose stamp differs, or that are not here, to the suspects; gives those that are here alone."""
    table = {"table": account.entity.table.name}
    parts = sql.SQL(statement("quality/verify_stamps")).format(**_identifiers(table))
    some = sql.SQL(statement("quality/verify_stamps_of")).format(**_identifiers(table))
    apart = set(unlisted)
    said: dict[str, dict[str, datetime | None]] = defaultdict(dict)
    for external_id, stamp in listed.stamps.items():
        if external_id not in apart:
            said[_part_of(external_id)][external_id] = stamp
    with borrow(account.url) as connection:
        [rows] = ask_read_only(connection, (parts, {"unlisted": list(unlisted)}))
        held = {part: (count, digest) for part, count, digest in rows}
        wrong = [part for part in said.keys() | held.keys() if held.get(part) != _digest(said.get(part, {}))]
        if not wrong:
            return []
        [rows] = ask_read_only(connection, (some, {"unlisted": list(unlisted), "parts": wrong}))
    stamps = {external_id: stamp.astimezone(UTC) if stamp else None for external_id, stamp in rows}
    there = {external_id: stamp for part in wrong for external_id, stamp in said.get(part, {}).items()}
    listed.suspects |= {i for i, stamp in there.items() if i not in stamps or stamps[i] != stamp}
    return sorted(stamps.keys() - there.keys())


def _examine_by_id(account: Account, ids: list[str], absent: list[str], listed: _Listed) -> None:
    """Read records again by id, and say how each differs: what a pull brought meanwhile is no difference."""
    asked = [*ids, *absent]
    account.findings.beyond += max(0, len(asked) - MOST_EXAMINED)
    asked = asked[:MOST_EXAMINED]
    controls = [i for i in listed.stamps if i not in set(asked)][:2] or list(listed.stamps)[:1]
    failed: dict[str, str] = {}
    for part in account.reader.by_ids(asked, controls):
        failed |= part.failed
        with borrow(account.url) as connection:
            account.findings.add(examine(connection, account.entity, part.bodies, account.read_until))
            account.findings.add(examine_absent(connection, account.entity, part.gone))
    if failed:
        reason = next(iter(failed.values()))
        account.findings.unproven.append(gettext(CANNOT_GIVE, count=len(failed), reason=reason))


def _part_of(external_id: str) -> str:
    return hashlib.sha256(external_id.encode()).hexdigest()[:2]


def _digest(stamps: Mapping[str, datetime | None]) -> tuple[int, str] | None:
    """How many there are, and the hash of their ids and stamps: as `verify_stamps.sql` makes it."""
    if not stamps:
        return None
    lines = sorted(
        f"{i} {'' if stamp is None else (stamp - EPOCH) // timedelta(microseconds=1)}" for i, stamp in stamps.items()
    )
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _identifiers(names: Mapping[str, str]) -> dict[str, sql.Identifier]:
    return {name: sql.Identifier(value) for name, value in names.items()}


def _has_id(body: object) -> bool:
    return isinstance(body, dict) and isinstance(body.get("id"), str) and body["id"] != ""
