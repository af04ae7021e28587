"""What tests and the command line ask of the sandbox itself: edits of records, faults, settings, counters.

`POST /_sandbox/<command>` calls the command of that name with the arguments in its body. No credentials; loopback only.
`admin` holds the typed client, which describes each command.
"""

from __future__ import annotations

import json
import random

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gazelle_sync.i18n.translator import Message, translator
from gazelle_sync.sandbox.account import Account
from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.settings import Refused, Settings, instant
from gazelle_sync.sandbox.store import KINDS
from gazelle_sync.sandbox.wire import json_response

_LISTS = {
    "clients": ("tags",),
    "contacts": ("emails", "phones", "locations", "addresses"),
    "pianos": ("tags",),
    "events": ("pianos",),
    "invoices": ("items", "payments", "tags"),
}


def routes(account: Account) -> list[Route]:
    """The routes of an account, to be mounted under `/_sandbox`."""
    commands = _Commands(account)

    async def run(request: Request) -> Response:
        name = request.path_params["command"]
        command = None if name.startswith("_") else getattr(commands, name, None)
        if command is None:
            return json_response({"error": f"no command is called {name!r}"}, 404)
        given = json.loads(await request.body())
        try:
            with account.store.transaction():
                return json_response(command(*given["arguments"], **given["options"]))
        except Refused as refused:
            say = translator(request.headers.get("accept-language", "en"))
            return json_response({"error": say(refused.message, **refused.values)}, 422)
        except KeyError as problem:
            return json_response({"error": f"unknown or missing: {problem}"}, 404)
        except (TypeError, ValueError) as problem:
            return json_response({"error": str(problem)}, 422)

    return [Route("/health", lambda _: Response(b"ok")), Route("/{command}", run, methods=["POST"])]


class _Commands:
    """The commands of one account, under the names of `admin.SandboxAdmin`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = account.store
        self._now = account.settings.now
        self.stats = account.counters.read
        self.reset_stats = account.counters.reset
        self.settings = account.settings.change
        self.fault = account.faults.arm
        self.faults = account.faults.listed
        self.clear_faults = account.faults.clear
        self.tokens = account.access.tokens
        self.expire_token = account.access.expire
        self.reset_tokens = account.access.reset

    def record(self, kind: str, record_id: str) -> Record | None:
        return self._store.get(_known(kind), record_id)

    def dump(self, kind: str) -> list[Record]:
        return list(self._store.records(_known(kind)))

    def ids(self, kind: str) -> list[str]:
        return self._store.ids(_known(kind))

    def edit(self, kind: str, record_id: str, *, touch: bool | str = True, **values: Json) -> Record:
        record = self._found(kind, record_id) | values
        if touch is True and kind != "timeline":
            record["updatedAt"] = self._now()
        elif isinstance(touch, str):
            record["updatedAt"] = touch
        return self._store.put(kind, record)

    def delete(self, kind: str, record_id: str) -> bool:
        return self._account.writer.delete(kind, self._found(kind, record_id)["id"])

    def create(self, kind: str, **values: Json) -> Record:
        record: Record = {"id": self._account.writer.new_id(KINDS[_known(kind)])}
        record |= {name: [] for name in _LISTS.get(kind, ())}
        if kind == "timeline":
            record |= {"occurredAt": self._now(), "type": "USER_COMMENT"}
        else:
            record |= {"createdAt": self._now(), "updatedAt": self._now()}
        if kind == "contacts":
            record["archived"] = False
        return self._store.put(kind, record | values)

    def random_edits(self, *, clients: int, pianos: int, events: int, timeline: int, seed: int) -> dict[str, list[str]]:
        draw = random.Random(seed)  # noqa: S311  reproducible, not secret
        writer, store = self._account.writer, self._store
        changed: dict[str, list[str]] = {}
        for kind, field, wanted in (
            ("clients", "personalNotes", clients),
            ("pianos", "notes", pianos),
            ("events", "notes", events),
        ):
            ids = self._editable(kind)
            changed[kind] = draw.sample(ids, min(wanted, len(ids)))
            for record_id in changed[kind]:
                record = self._found(kind, record_id)
                writer.edit(kind, record, {field: f"Modifié nº {draw.randrange(10**9)}"})
        changed["timeline"] = []
        owners = store.ids("pianos")
        for _ in range(timeline if owners else 0):
            piano = self._found("pianos", draw.choice(owners))
            entry = writer.entry(
                "USER_COMMENT",
                instant(self._account.settings.now_s() - draw.uniform(0, 600)),
                clientId=piano["clientId"],
                pianoId=piano["id"],
                summary="Commentaire",
                comment=f"Note nº {draw.randrange(10**9)}",
            )
            changed["timeline"].append(entry["id"])
        return changed

    def snapshot(self, name: str) -> None:
        self._account.snapshots[name] = self._store.snapshot()

    def restore(self, name: str) -> None:
        self._store.restore(self._account.snapshots[name])

    def start_over(self, name: str) -> None:
        self.restore(name)
        self.clear_faults()
        self.settings(**Settings().as_record())
        self.reset_tokens()
        self.reset_stats()

    def _found(self, kind: str, record_id: str) -> Record:
        record = self._store.get(_known(kind), record_id)
        if record is None:
            raise Refused(Message("No record of {kind} has the id {id}."), kind=kind, id=record_id)
        return record

    def _editable(self, kind: str) -> list[str]:
        """Ids of a kind; of the events, those around today that are listed."""
        if kind != "events":
            return self._store.ids(kind)
        now_s = self._account.settings.now_s()
        first, last = instant(now_s - 29 * 86_400), instant(now_s + 364 * 86_400)
        events = self._store.records(kind)
        return [row["id"] for row in events if first <= row["start"] < last and row["status"] != "CANCELED"]


def _known(kind: str) -> str:
    if kind not in KINDS:
        choices = ", ".join(KINDS)
        raise Refused(Message("No kind of record is called {name}. There are: {choices}."), name=kind, choices=choices)
    return kind
