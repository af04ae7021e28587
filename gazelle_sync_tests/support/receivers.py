"""Receivers of alerts on loopback: a mail server and a webhook, both of which can be down or refuse."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PASSWORD = "mot-de-passe-42!"
HOOK_TOKEN = "hook0token0that0nobody0may0read"


@dataclass
class Letter:
    """One mail that arrived."""

    to: list[str]
    subject: str
    body: str


@dataclass
class MailServer:
    """An SMTP server that asks for a password."""

    port: int
    letters: list[Letter] = field(default_factory=list)
    refuses: bool = False
    waits_s: float = 0.0
    """Before it says that it has taken a letter."""

    def url(self, *to: str) -> str:
        """The Apprise address."""
        targets = ",".join(to or ("patronne@atelier.example",))
        password = PASSWORD.replace("!", "%21")
        return f"mailto://robot:{password}@localhost:{self.port}?from=robot@atelier.example&to={targets}&mode=insecure"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self.refuses:
            return "451 come back later"
        parsed = message_from_bytes(envelope.original_content or b"")
        subject = str(make_header(decode_header(parsed["Subject"])))
        self.letters.append(Letter(list(envelope.rcpt_tos), subject, _plain(parsed)))
        await asyncio.sleep(self.waits_s)
        return "250 taken"


def _plain(parsed: Message) -> str:
    parts = [part for part in parsed.walk() if part.get_content_maintype() == "text"]
    texts = [part.get_payload(decode=True) for part in parts]
    return "\n".join(text.decode() for text in texts if isinstance(text, bytes))


@contextmanager
def mail_server(port: int = 0) -> Iterator[MailServer]:
    """Serve mail for the length of a block."""
    server = MailServer(port or free_port())

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=isinstance(data, LoginPassword) and data.password == PASSWORD.encode())

    controller = Controller(
        server, hostname="localhost", port=server.port, authenticator=authenticate, auth_require_tls=False
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@dataclass
class Webhook:
    """A receiver of JSON."""

    port: int
    received: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    delay: threading.Event | None = None
    """While it is set and not released, an answer waits."""

    @property
    def url(self) -> str:
        """The Apprise address."""
        return f"json://robot:{PASSWORD}@127.0.0.1:{self.port}/{HOOK_TOKEN}"

    @property
    def titles(self) -> list[str]:
        """What arrived, in order."""
        return [str(one["title"]) for one in self.received]


@contextmanager
def webhook(port: int = 0) -> Iterator[Webhook]:
    """Receive JSON for the length of a block."""
    hook = Webhook(port)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.delay is not None:
                hook.delay.wait(10)
            if hook.status == 200:
                hook.received.append(body)
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def dripping() -> Iterator[str]:
    """A webhook that takes a message and answers a byte at a time, without end; gives its Apprise address."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with suppress(OSError):
                while not ended.wait(0.05):
                    self.wfile.write(b"x")

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/{HOOK_TOKEN}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
