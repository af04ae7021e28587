"""The routes under `/_sandbox/`: edits of users, faults, settings, counters. No credentials; loopback only.

`admin` holds the typed client of them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gazelle_sync.sandbox.account import Account
from gazelle_sync.sandbox.encoding import Json, Record, encode
from gazelle_sync.sandbox.settings import instant
from gazelle_sync.sandbox.store import KINDS

PREFIXES = {
    "clients": "cli",
    "contacts": "con",
    "pianos": "pno",
    "measurements": "msr",
    "events": "evt",
    "timeline": "tme",
    "invoices": "inv",
    "users": "usr",
    "former_users": "usr",
    "products": "mit",
    "product_groups": "msg",
    "client_logs": "log",
    "taxes": "tax",
}
_LISTS = {
    "clients": ("tags",),
    "contacts": ("emails", "phones", "locations", "addresses"),
    "pianos": ("tags",),
    "events": ("pianos",),
    "invoices": ("items", "payments", "tags"),
}


class Control:
    """Answers the control routes of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def routes(self) -> list[Route]:
        """The routes, to be mounted under `/_sandbox`."""
        account = self._account
        reads: dict[str, Callable[[Request], Json]] = {
            "/stats": lambda _: account.counters.read(),
            "/settings": lambda _: account.settings.as_record(),
            "/faults": lambda _: account.faults.listed(),
            "/tokens": lambda _: account.access.tokens(),
            "/record/{kind}/{id}": self._record,
            "/dump/{kind}": self._dump,
        }
        writes: dict[str, Callable[[Record], Json]] = {
            "/stats/reset": lambda _: account.counters.reset(),
            "/settings": account.settings.change,
            "/fault": account.faults.arm,
            "/tokens/expire": lambda _: account.access.expire(),
            "/tokens/reset": lambda _: account.access.reset(),
            "/edit": self._edit,
            "/delete": self._delete,
            "/create": self._create,
            "/random_edits": self._random_edits,
            "/snapshot": self._snapshot,
            "/restore": self._restore,
        }
        routes = [Route("/health", lambda _: Response(b"ok"))]
        routes += [Route(path, _reading(answer), methods=["GET"]) for path, answer in reads.items()]
        routes += [Route(path, _writing(account, answer), methods=["POST"]) for path, answer in writes.items()]
        return [*routes, Route("/faults", self._disarm, methods=["DELETE"])]

    async def _disarm(self, _: Request) -> Response:
        self._account.faults.clear()
        return _json(None)

    def _record(self, request: Request) -> Record | None:
        return self._account.store.get(_kind(request.path_params["kind"]), request.path_params["id"])

    def _dump(self, request: Request) -> list[Record]:
        return list(self._account.store.records(_kind(request.path_params["kind"])))

    def _edit(self, body: Record) -> Record:
        """`touch`: true stamps the record with the server's clock, false leaves the stamp, a text is the new stamp."""
        kind, old = self._found(body)
        touch = body.get("touch", True)
        record = old | body.get("set", {})
        if touch is True and kind != "timeline":
            record["updatedAt"] = self._account.settings.now()
        elif isinstance(touch, str):
            record["updatedAt"] = touch
        return self._account.store.put(kind, record)

    def _delete(self, body: Record) -> bool:
        kind, record = self._found(body)
        return self._account.writer.delete(kind, record["id"])

    def _create(self, body: Record) -> Record:
        kind = _kind(body["kind"])
        now = self._account.settings.now()
        record: Record = {"id": self._account.writer.new_id(PREFIXES[kind])}
        record |= {name: [] for name in _LISTS.get(kind, ())}
        if kind == "timeline":
            record |= {"occurredAt": now, "type": "USER_COMMENT"}
        else:
            record |= {"createdAt": now, "updatedAt": now}
        if kind == "contacts":
            record["archived"] = False
        return self._account.store.put(kind, record | body.get("record", {}))

    def _found(self, body: Record) -> tuple[str, Record]:
        kind = _kind(body["kind"])
        record = self._account.store.get(kind, body["id"])
        if record is None:
            raise KeyError(f"no record of {kind} has the id {body['id']!r}")
        return kind, record

    def _random_edits(self, body: Record) -> dict[str, list[str]]:
        """A quarter of an hour in the shop: edited clients, pianos and events, new entries. Returns their ids."""
        draw = random.Random(body.get("seed", 1))  # noqa: S311  reproducible, not secret
        account = self._account
        changed: dict[str, list[str]] = {}
        for kind, field, default in (("clients", "personalNotes", 5), ("pianos", "notes", 2), ("events", "notes", 25)):
            ids = self._editable(kind)
            changed[kind] = draw.sample(ids, min(body.get(kind, default), len(ids)))
            for record_id in changed[kind]:
                record = account.store.get(kind, record_id) or {}
                account.writer.edit(kind, record, {field: f"Modifié nº {draw.randrange(10**9)}"})
        changed["timeline"] = []
        pianos = account.store.ids("pianos")
        for _ in range(body.get("timeline", 30) if pianos else 0):
            piano = account.store.get("pianos", draw.choice(pianos)) or {}
            entry = account.writer.entry(
                "USER_COMMENT",
                instant(account.settings.now_s() - draw.uniform(0, 600)),
                clientId=piano["clientId"],
                pianoId=piano["id"],
                summary="Commentaire",
                comment=f"Note nº {draw.randrange(10**9)}",
            )
            changed["timeline"].append(entry["id"])
        return changed

    def _editable(self, kind: str) -> list[str]:
        """Ids of a kind; of the events, those around today that are listed."""
        store, now_s = self._account.store, self._account.settings.now_s()
        if kind != "events":
            return store.ids(kind)
        first, last = instant(now_s - 29 * 86_400), instant(now_s + 364 * 86_400)
        return [
            row["id"] for row in store.records(kind) if first <= row["start"] < last and row["status"] != "CANCELED"
        ]

    def _snapshot(self, body: Record) -> None:
        self._account.snapshots[body.get("name", "")] = self._account.store.snapshot()

    def _restore(self, body: Record) -> None:
        self._account.store.restore(self._account.snapshots[body.get("name", "")])


def _kind(name: str) -> str:
    if name not in KINDS:
        raise KeyError(f"no kind of record is called {name!r}; there are {', '.join(KINDS)}")
    return name


def _json(value: object, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


def _reading(answer: Callable[[Request], Json]) -> Callable[[Request], Json]:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(answer(request))
        except KeyError as problem:
            return _json({"error": str(problem)}, 404)

    return endpoint


def _writing(account: Account, answer: Callable[[Record], Json]) -> Callable[[Request], Json]:
    async def endpoint(request: Request) -> Response:
        body = json.loads(await request.body() or b"{}")
        try:
            with account.store.transaction():
                return _json(answer(body))
        except KeyError as problem:
            return _json({"error": f"unknown or missing: {problem}"}, 404)
        except (TypeError, ValueError) as problem:
            return _json({"error": str(problem)}, 422)

    return endpoint
