"""Who may use the desk: the system's user on this machine, a password, or what a trusted proxy says."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from gazelle_sync.desk.errors import Forbidden, TooManyTries
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import borrow, together

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from gazelle_sync.desk.desk import Desk

Role = Literal["reader", "staff", "owner"]
ROLES: tuple[Role, ...] = ("reader", "staff", "owner")
ROLE_NAMES = {"reader": Message("reader"), "staff": Message("staff"), "owner": Message("owner")}
LEAST_PASSWORD = 10
LONGEST_PASSWORD = 1000


@dataclass(frozen=True)
class Person:
    """Somebody who uses the desk.

    Attributes:
        name: How changes name them.
        role: What they may do.
        session_number: Sessions of another number have ended.
    """

    name: str
    role: str
    session_number: int = 0

    @property
    def may_edit(self) -> bool:
        """Whether they change anything."""
        return self.role in ("staff", "owner")

    @property
    def is_owner(self) -> bool:
        """Whether they say who may do what."""
        return self.role == "owner"


def person_here() -> Person:
    """Who uses this machine: without a login nobody else reaches the desk."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "desk"
    return Person(name, "owner")


def known_person(desk: Desk, name: str) -> Person | None:
    """The person of a name, or None.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with borrow(desk.url) as connection:
        query = "SELECT name, role, session_number FROM desk_people WHERE name = %s"
        row = connection.execute(query, [name.replace("\0", "")]).fetchone()
    return Person(*row) if row else None


def person_of_proxy(desk: Desk, headers: Mapping[str, str], address: str) -> Person:
    """Whom the proxy names.

    Args:
        desk: With its settings.
        headers: Of the request.
        address: Where the request comes from: only a trusted proxy's word counts.

    Raises:
        Forbidden: It does not come from the proxy, or nobody of that name may use the desk.
    """
    settings = desk.settings
    if address not in settings.desk_proxies:
        raise Forbidden(gettext("This address is answered only by way of the shop's proxy."))
    name = headers.get(str(settings.desk_proxy_header).lower(), "").strip()
    person = known_person(desk, name) if name else None
    if person is None:
        raise Forbidden(
            gettext(
                "{name} may not use the desk. The shop's owner adds people: `gazelle-sync desk add NAME --role staff`.",
                name=name or "—",
            )
        )
    return person


def sign_in(desk: Desk, name: str, password: str, address: str) -> Person | None:
    """The person, where the password is theirs.

    Args:
        desk: With its database.
        name: As it was typed.
        password: As it was typed.
        address: Where the request comes from.

    Raises:
        TooManyTries: Too many failed of late; nothing was looked at.
        DatabaseError: The database cannot be reached.
    """
    name, password = name.strip()[:100].replace("\0", ""), password[:LONGEST_PASSWORD]
    with borrow(desk.url) as connection:
        # The try is noted before the password is looked at, which takes a while: others meanwhile count it.
        [(number, wait_s)], found = together(
            connection,
            (statement("desk/login_begin"), {"name": name, "address": address}),
            ("SELECT name, role, session_number, password_hash FROM desk_people WHERE name = %s", [name]),
        )
        if wait_s:
            raise TooManyTries(
                gettext("Too many tries that failed. Try again in {minutes} minutes.", minutes=-(-int(wait_s) // 60))
            )
        *values, password_hash = found[0] if found else (name, "reader", 0, None)
        if not _is_right(password_hash or _nobodys_hash(), password) or password_hash is None:
            return None
        connection.execute("UPDATE desk_logins SET succeeded = true WHERE id = %s", [number])
    return Person(*values)


def set_person(connection: Connection, name: str, role: str, password: str | None, by: str) -> bool:
    """Add somebody, or change their role or password; either ends their sessions. Gives whether they are new.

    Args:
        connection: Of `borrow`.
        name: As it is typed, or as the proxy says it.
        role: One of `ROLES`.
        password: The new one; None: it stays, and somebody new has none.
        by: Who says so.

    Raises:
        CommandRefused: The name or the password cannot be used.
    """
    name = name.strip()
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise CommandRefused(gettext("A name has 1 to 100 letters."))
    if password is not None and not LEAST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise CommandRefused(gettext("A password has at least {count} letters.", count=LEAST_PASSWORD))
    given: dict[str, Any] = {
        "name": name, "role": role, "by": by,
        "hash": None if password is None else _hasher().hash(password),
    }  # fmt: skip
    row = connection.execute(statement("desk/person_write"), given).fetchone()
    return bool(row and row[0])


def remove_person(connection: Connection, name: str) -> bool:
    """Take somebody out, whose sessions end; gives whether they were there."""
    return connection.execute("DELETE FROM desk_people WHERE name = %s", [name.strip()]).rowcount > 0


def people(connection: Connection) -> list[dict[str, Any]]:
    """Who may use the desk, in the order of names."""
    rows = connection.execute(statement("desk/people")).fetchall()
    return [
        {"name": name, "role": role, "has_password": has_password, "last_login": last}
        for name, role, has_password, last in rows
    ]


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """Looked at for a name that nobody has, so that it takes as long as for others."""
    return _hasher().hash("nobody's password")


def _is_right(password_hash: str, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return _hasher().verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
