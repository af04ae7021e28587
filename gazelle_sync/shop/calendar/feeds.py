"""Technicians' calendars for other programs: a file, and a feed at an address that nobody can guess.

A feed's address ends in a token of 256 bits. The database holds its digest only, and a revoked one answers like one
that never was.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
import threading
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import translator
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.shop.calendar.agenda import NoSuchTechnician, known_technician
from gazelle_sync.shop.calendar.ics import Event, counted, ics_text
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import borrow

PAST = timedelta(days=30)
"""How far back a calendar goes; ahead it has no end."""
LOOPBACK = "127.0.0.1"
TYPE = "text/calendar; charset=utf-8"

log = get_logger("gazelle_sync.calendar")


def export(connection: Connection, technician: str, now: datetime) -> bytes:
    """A technician's calendar, from 30 days back without end; what changed in it since the last time is counted.

    Args:
        connection: Of `borrow`.
        technician: The user's id at Gazelle.
        now: Aware UTC.

    Raises:
        NoSuchTechnician: There is no such user.
    """
    with connection.transaction():
        query = (
            "SELECT u.external_id, concat_ws(' ', u.first_name, u.last_name), coalesce(t.language, 'fr') "
            "FROM gazelle_users AS u LEFT JOIN technician_contacts AS t ON t.technician_external_id = u.external_id "
            "WHERE u.external_id = gazelle.bare_id(%s)"
        )
        row = connection.execute(query, [technician]).fetchone()
        if row is None:
            raise NoSuchTechnician(gettext("There is no technician {id} at Gazelle.", id=technician))
        user, name, language = row
        rows = connection.execute(statement("calendar/export"), {"technician": user, "since": now - PAST})
        before = [_event(row) for row in rows]
        events = [counted(event, now) for event in before]
        changed = [event for event, old in zip(events, before, strict=True) if event.digest != old.digest]
        if changed:
            written = {
                "technician": user, "now": now.replace(microsecond=0),
                "events": [event.external_id for event in changed],
                "digests": [event.digest for event in changed],
                "sequences": [event.sequence for event in changed],
            }  # fmt: skip
            connection.execute(statement("calendar/export_write"), written)
    return ics_text(translator(language), name or user, events)


def _event(row: tuple[Any, ...]) -> Event:
    *values, pianos, digest, sequence, changed_at = row
    given: list[Any] = [*values, tuple(pianos), digest or "", sequence or 0, changed_at]
    return Event(*given)


def open_feed(connection: Connection, technician: str) -> str:
    """Make a feed for a technician; gives the path, which is never shown again."""
    token = secrets.token_urlsafe(32)
    query = (
        "INSERT INTO calendar_feeds (token_digest, technician_external_id) "
        "SELECT %s, external_id FROM gazelle_users WHERE external_id = gazelle.bare_id(%s)"
    )
    if connection.execute(query, [_digest(token), technician]).rowcount == 0:
        raise NoSuchTechnician(gettext("There is no technician {id} at Gazelle.", id=technician))
    return f"/{token}.ics"


def revoke_feeds(connection: Connection, technician: str) -> int:
    """End every feed of a technician; gives how many there were.

    Raises:
        NoSuchTechnician: There is no such user: whose feeds were meant goes on.
    """
    user = known_technician(connection, technician)
    query = "UPDATE calendar_feeds SET revoked_at = now() WHERE technician_external_id = %s AND revoked_at IS NULL"
    return connection.execute(query, [user]).rowcount


def serve_feeds(settings: Settings, port: int) -> tuple[ThreadingHTTPServer, threading.Thread]:
    """Serve the feeds on this machine's own address, on a thread; gives the server and the thread.

    Args:
        settings: With `database_url` filled in.
        port: 0 takes any that is free.

    Raises:
        GazelleSyncError: The port is taken.
    """

    class Handler(_FeedHandler):
        url = str(settings.database_url)

    try:
        server = _FeedServer((LOOPBACK, port), Handler)
    except (OSError, OverflowError) as error:
        raise GazelleSyncError(
            gettext(
                "{address} cannot be used ({reason}). Choose another port.", address=f"{LOOPBACK}:{port}", reason=error
            )
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="calendar feeds", daemon=True)
    thread.start()
    return server, thread


class _FeedServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that goes away amid its answer is no news; what else went wrong is logged, without the path."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            log.warning("a feed cannot be served", reason=type(error).__name__)


class _FeedHandler(BaseHTTPRequestHandler):
    url = ""
    timeout = 30  # a client that says nothing holds its thread no longer
    server_version = "gazelle-sync"
    sys_version = ""

    def do_GET(self) -> None:
        """A calendar, or 404 for whatever else is asked for."""
        self._answer(has_body=True)

    def do_HEAD(self) -> None:
        """The same without its text."""
        self._answer(has_body=False)

    def _answer(self, *, has_body: bool) -> None:
        path = self.path.partition("?")[0]
        try:
            text = self._calendar(path.removeprefix("/").removesuffix(".ics")) if path.endswith(".ics") else None
        except GazelleSyncError as error:
            log.warning("a feed cannot be served", reason=str(error))
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        if text is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
        is_known = self.headers.get("If-None-Match") == tag
        self.send_response(HTTPStatus.NOT_MODIFIED if is_known else HTTPStatus.OK)
        self.send_header("ETag", tag)
        self.send_header("Cache-Control", "private, no-cache")
        if not is_known:
            self.send_header("Content-Type", TYPE)
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if has_body and not is_known:
            self.wfile.write(text)

    def _calendar(self, token: str) -> bytes | None:
        with borrow(self.url) as connection:
            query = "SELECT technician_external_id FROM calendar_feeds WHERE token_digest = %s AND revoked_at IS NULL"
            row = connection.execute(query, [_digest(token)]).fetchone()
            return None if row is None else export(connection, row[0], datetime.now(UTC))

    def log_message(self, *_: object) -> None:
        """Nothing: the path is a secret."""


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
