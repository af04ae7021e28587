"""What `WIRE` faults do to a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate

from starlette.responses import Response, StreamingResponse

from gazelle_sync.sandbox.encoding import Json
from gazelle_sync.sandbox.faults import Fault
from gazelle_sync.sandbox.settings import Settings

MEDIA_TYPE = "application/json"


class ConnectionReset(Response):
    """No response at all: the connection is reset."""

    async def __call__(self, scope: Json, receive: Json, send: Json) -> None:
        """Reset the connection and wait until the server noticed."""
        await _reset_connection(scope, receive)


class TruncatedBody(Response):
    """Half of the body that was announced, and then no connection any more."""

    async def __call__(self, scope: Json, receive: Json, send: Json) -> None:
        """Send the head and half of the body, then reset the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        await asyncio.sleep(0.01)  # or the reset would overtake what was sent
        await _reset_connection(scope, receive)


async def _reset_connection(scope: Json, receive: Json) -> None:
    scope["app"].state.reset_connection(scope)
    while (await receive())["type"] != "http.disconnect":
        pass


def damaged(answer: Response, fault: Fault, settings: Settings) -> Response:
    """What a `WIRE` fault leaves of an answer; two that both break it do not add up."""
    if isinstance(answer, (ConnectionReset, TruncatedBody, StreamingResponse)):
        return answer
    body, seconds = bytes(answer.body), fault.options.get("seconds")
    if fault.kind in _BODIES:
        return Response(_BODIES[fault.kind](body), answer.status_code, media_type=MEDIA_TYPE)
    if fault.kind == "close_after":
        return ConnectionReset()
    if fault.kind == "cut_short":
        return TruncatedBody(body, answer.status_code, media_type=MEDIA_TYPE)
    if fault.kind == "bad_encoding":
        answer.headers["Content-Encoding"] = "gzip"
    if fault.kind == "clock_skew":
        answer.headers["Date"] = formatdate(settings.now_s() + float(seconds or 3600), usegmt=True)
    if fault.kind == "no_date":
        answer.headers["Date"] = "yesterday"
    if fault.kind in _PAUSES:
        parts, whole_s = _PAUSES[fault.kind]
        pause_s = float(whole_s if seconds is None else seconds) / parts
        return StreamingResponse(_in_parts(body, parts, pause_s), answer.status_code, media_type=MEDIA_TYPE)
    return answer


_BODIES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda body: body[: len(body) // 2],
    "empty_body": lambda _: b"",
    "not_an_object": lambda _: b'["unexpected"]',
    "invalid_utf8": lambda body: body[:-2] + b"\xff\xfe" + body[-2:],
}
_PAUSES = {"slow_drip": (20, 2.0), "stalled": (2, 60.0)}
"""Kind → in how many parts the body comes, and after how many seconds the last of them."""


async def _in_parts(body: bytes, parts: int, pause_s: float) -> AsyncIterator[bytes]:
    """The body in so many parts, a pause before each."""
    size = max(1, -(-len(body) // parts))
    for start in range(0, len(body), size):
        await asyncio.sleep(pause_s)
        yield body[start : start + size]
