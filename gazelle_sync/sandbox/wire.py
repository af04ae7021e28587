"""Responses: the ordinary one, those that `INSTEAD` faults give in its place, and what `WIRE` faults leave of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate

from starlette.responses import Response, StreamingResponse

from gazelle_sync.sandbox.encoding import Json, Record, encode
from gazelle_sync.sandbox.settings import Settings

MEDIA_TYPE = "application/json"
HTML = b"<!DOCTYPE html><html><head><title>Gazelle</title></head><body><h1>We'll be right back</h1></body></html>"
TOLD_TO_FAIL = "The sandbox was told to fail"


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


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response of JSON."""
    return Response(encode(value), status, headers, media_type=MEDIA_TYPE)


# ---- faults; `options` are those of the fault


def _status(options: Record) -> Response:
    retry_after = options.get("retry_after")
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return json_response({"error": TOLD_TO_FAIL}, int(options.get("code", 500)), headers)


def _graphql_errors(options: Record) -> Response:
    message = options.get("message", "Something went wrong on our side")
    return json_response({"data": None, "errors": [{"message": message}]})


def _redirect(options: Record) -> Response:
    location = options.get("location", "/users/sign_in")
    return Response(b"", int(options.get("code", 302)), {"Location": location}, media_type="text/html")


INSTEAD: dict[str, Callable[[Record], Response]] = {
    "status": _status,
    "html_200": lambda _: Response(HTML, 200, media_type="text/html"),
    "html_502": lambda _: Response(HTML, 502, media_type="text/html"),
    "graphql_errors": _graphql_errors,
    "redirect": _redirect,
    "reset": lambda _: ConnectionReset(),
}

Damage = Callable[[Response, Record, Settings], Response]


def damaged(answer: Response, kind: str, options: Record, settings: Settings) -> Response:
    """What a `WIRE` fault leaves of an answer; two that both break it do not add up."""
    if kind not in WIRE or isinstance(answer, (ConnectionReset, TruncatedBody, StreamingResponse)):
        return answer
    return WIRE[kind](answer, options, settings)


def _body(change: Callable[[bytes], bytes]) -> Damage:
    return lambda answer, _, __: Response(change(bytes(answer.body)), answer.status_code, media_type=MEDIA_TYPE)


def _header(name: str, value: str) -> Damage:
    def change(answer: Response, _: Record, __: Settings) -> Response:
        answer.headers[name] = value
        return answer

    return change


def _clock_skew(answer: Response, options: Record, settings: Settings) -> Response:
    answer.headers["Date"] = formatdate(settings.now_s() + float(options.get("seconds", 3600)), usegmt=True)
    return answer


def _in_parts(parts: int, whole_s: float) -> Damage:
    """The body comes in so many parts, the last of them after `seconds`."""

    async def sent(body: bytes, pause_s: float) -> AsyncIterator[bytes]:
        size = max(1, -(-len(body) // parts))
        for start in range(0, len(body), size):
            await asyncio.sleep(pause_s)
            yield body[start : start + size]

    def change(answer: Response, options: Record, _: Settings) -> Response:
        pause_s = float(options.get("seconds", whole_s)) / parts
        return StreamingResponse(sent(bytes(answer.body), pause_s), answer.status_code, media_type=MEDIA_TYPE)

    return change


WIRE: dict[str, Damage] = {
    "truncated": _body(lambda body: body[: len(body) // 2]),
    "empty_body": _body(lambda _: b""),
    "not_an_object": _body(lambda _: b'["unexpected"]'),
    "invalid_utf8": _body(lambda body: body[:-2] + b"\xff\xfe" + body[-2:]),
    "bad_encoding": _header("Content-Encoding", "gzip"),
    "close_after": lambda *_: ConnectionReset(),
    "cut_short": lambda answer, *_: TruncatedBody(answer.body, answer.status_code, media_type=MEDIA_TYPE),
    "slow_drip": _in_parts(20, 2.0),
    "stalled": _in_parts(2, 60.0),
    "clock_skew": _clock_skew,
    "no_date": _header("Date", "yesterday"),
}
