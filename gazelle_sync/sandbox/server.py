"""The application that answers HTTP, and the process around it."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import json
import os
import signal
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from gazelle_sync.sandbox import control
from gazelle_sync.sandbox.account import Account
from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.faults import LATE, Fault
from gazelle_sync.sandbox.rest import ENDPOINTS
from gazelle_sync.sandbox.wire import INSTEAD, TOLD_TO_FAIL, ConnectionReset, damaged, json_response

NOT_FOUND = b"<!DOCTYPE html><html><body><h1>The page you were looking for doesn't exist (404)</h1></body></html>"
HOST = "127.0.0.1"
UNAUTHORIZED: Record = {"error": "unauthorized", "message": "Invalid or missing credentials."}

Handler = Callable[[Request, bytes, list[Fault]], Awaitable[Response]]


class PublicApi:
    """The public routes of one account: GraphQL, tokens, REST."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._late_tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """Every public route; all else is an HTML page with 404, as at Gazelle."""
        routes = [
            Route("/graphql/private/", self._endpoint(self._graphql), methods=["POST"]),
            Route("/developer/oauth/token", self._endpoint(self._token, guarded=False), methods=["POST"]),
        ]
        for (method, suffix), answer in ENDPOINTS.items():
            path = "/api/v1/pianos/{id}" + suffix
            routes.append(Route(path, self._endpoint(self._rest(answer)), methods=[method]))
        return routes

    def _endpoint(self, handle: Handler, *, guarded: bool = True) -> Callable[[Request], Awaitable[Response]]:
        settings = self._account.settings

        async def endpoint(request: Request) -> Response:
            answer = await self._answer(request, handle, guarded=guarded)
            answer.headers.setdefault("Date", formatdate(settings.now_s(), usegmt=True))
            return answer

        return endpoint

    async def _answer(self, request: Request, handle: Handler, *, guarded: bool) -> Response:
        account = self._account
        account.counters.arrived()
        body = await request.body()
        wait_s = account.rate_limit.retry_after()
        if wait_s is not None:
            return self._refuse("Too many requests", 429, {"Retry-After": str(wait_s)})
        if account.settings.latency_ms:
            await asyncio.sleep(account.settings.latency_ms / 1000)
        faults = account.faults.striking(body.decode("utf-8", "replace"), request.url.path)
        for fault in faults:
            answer = await self._instead(fault)
            if answer is not None:
                account.counters.refused(answer.status_code)
                return answer
        if guarded and not account.access.is_authorized(request.headers):
            account.counters.refused(401)
            return json_response(UNAUTHORIZED, 401)
        if (late := next((fault for fault in faults if fault.kind in LATE), None)) is not None:
            rest = [replace(late, kind="second_half")] if late.kind == "half_done" else []
            if rest:
                await handle(request, body, [replace(late, kind="first_half")])
            return self._late(late, lambda: handle(request, body, rest))
        answer = await handle(request, body, faults)
        for fault in faults:
            answer = damaged(answer, fault.kind, fault.options, account.settings)
        return answer

    def _refuse(self, message: str, status: int, headers: dict[str, str] | None = None) -> Response:
        self._account.counters.refused(status)
        return json_response({"error": message}, status, headers)

    async def _graphql(self, _: Request, body: bytes, faults: list[Fault]) -> Response:
        try:
            answer, served = self._account.answer(body, faults)
        except ValueError as problem:
            return json_response({"errors": [{"message": f"The body could not be read: {problem}"}]}, 400)
        await asyncio.sleep(self._account.settings.field_ms * served.fields.total() / 1000)
        if served.status != HTTPStatus.OK:
            self._account.counters.refused(served.status)
        return Response(answer, served.status, media_type="application/json")

    async def _token(self, _: Request, body: bytes, __: list[Fault]) -> Response:
        self._account.counters.named("oauth token")
        status, answer = self._account.access.refresh(dict(parse_qsl(body.decode("utf-8", "replace"))))
        return json_response(answer, status)

    def _rest(self, answer: Callable[[Json, str, Record], tuple[int, Record]]) -> Handler:
        account = self._account

        async def handle(request: Request, body: bytes, _: list[Fault]) -> Response:
            account.counters.named(f"{request.method} {request.url.path}")
            try:
                given = json.loads(body)
            except ValueError:
                return json_response({"errors": [{"fieldName": "base", "messages": ["The body is not JSON"]}]}, 400)
            if not isinstance(given, dict):
                return json_response(
                    {"errors": [{"fieldName": "base", "messages": ["The body is not a JSON object"]}]}, 422
                )
            with account.store.transaction():
                status, record = answer(account.writer, request.path_params["id"], given)
            return json_response(record, status)

        return handle

    def _late(self, fault: Fault, work: Callable[[], Awaitable[object]]) -> Response:
        """A bad answer now (a reset, or the status `code`), and the work some seconds later."""
        seconds = fault.options.get("seconds", 2 if fault.kind == "late" else None)

        async def done_later() -> None:
            await asyncio.sleep(float(seconds or 0))
            await work()

        if seconds is not None:
            task = asyncio.create_task(done_later())
            self._late_tasks.add(task)
            task.add_done_callback(self._late_tasks.discard)
        code = fault.options.get("code")
        return ConnectionReset() if code is None else self._refuse(TOLD_TO_FAIL, int(code))

    async def _instead(self, fault: Fault) -> Response | None:
        """What is answered in the API's place."""
        if fault.kind == "timeout":
            await asyncio.sleep(float(fault.options.get("seconds", 30)))
        elif fault.kind == "token_expired":
            self._account.access.expire()
            return json_response(UNAUTHORIZED, 401)
        elif fault.kind in INSTEAD:
            return INSTEAD[fault.kind](fault.options)
        return None


def create_app(account: Account) -> Starlette:
    """The application of an account."""

    async def not_found(_: Request, __: Exception) -> Response:
        return Response(NOT_FOUND, 404, media_type="text/html")

    app = Starlette(
        routes=[Mount("/_sandbox", routes=control.routes(account)), *PublicApi(account).routes()],
        exception_handlers={404: not_found, 405: not_found},
    )
    # A missing trailing slash is a 404 at Gazelle, not a redirection.
    app.router.redirect_slashes = False
    return app


def serve(
    account: Account,
    *,
    port: int = 0,
    ready_file: Path | None = None,
    exit_when_unused: Path | None = None,
    on_ready: Callable[[str], None],
) -> None:
    """Serve an account until a signal comes, or until no process holds the lock file.

    Args:
        account: What to serve.
        port: On this machine's own address, 0 for any that is free.
        ready_file: Where to write the address and the process id once the server listens.
        exit_when_unused: A file of which every user holds a shared lock.
        on_ready: Called with the address once the server listens.
    """
    # Answers are trees of small objects without cycles: looking for garbage among them would double their cost.
    gc.set_threshold(500_000, 50, 100)
    app = create_app(account)
    # Named as TCP, or asyncio would leave Nagle's algorithm on: every answer would wait 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            date_header=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
        )
    )
    app.state.reset_connection = lambda scope: _reset_connection(server, scope)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn raises the signal again when it has stopped: by default that ends the process before it cleans up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)

    # Held until the server has ended: a new user waits, and starts a server of its own.
    users = None if exit_when_unused is None else exit_when_unused.open("a")

    async def run() -> None:
        watching = asyncio.create_task(_announce(server, url, ready_file, on_ready))
        unused = None if users is None else asyncio.create_task(_exit_when_unused(server, users))
        await server.serve(sockets=[listener])
        for task in (watching, unused):
            if task is not None:
                task.cancel()

    try:
        asyncio.run(run())
    finally:
        listener.close()
        account.store.close()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
        if users is not None:
            users.close()


async def _announce(server: uvicorn.Server, url: str, ready_file: Path | None, on_ready: Callable[[str], None]) -> None:
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.002)
    if ready_file is not None:
        draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        draft.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
        draft.replace(ready_file)
    on_ready(url)


async def _exit_when_unused(server: uvicorn.Server, users: IO[str]) -> None:
    """Stop the server once an exclusive lock can be had: the system drops the lock of a killed user too."""
    while not server.should_exit:
        await asyncio.sleep(1)
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            server.should_exit = True


def _reset_connection(server: uvicorn.Server, scope: MutableMapping[str, Json]) -> None:
    for connection in server.server_state.connections:
        transport = getattr(connection, "transport", None)
        if transport is not None and getattr(connection, "client", None) == scope["client"]:
            peer = transport.get_extra_info("socket")
            if peer is not None:
                # No lingering: the peer sees a reset rather than an orderly end.
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
