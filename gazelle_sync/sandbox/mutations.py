"""What the API's mutations do, with the behaviour that surprises their callers.

`updatePiano` replaces the tags, `updateMasterServiceItem` replaces a text in all its languages, a create that comes
twice makes two, and what is wrong with the input comes back as `mutationErrors` with HTTP 200. An edit moves the
record's own `updatedAt`, never its parent's. Those of events and invoices have modules of their own (`visits`,
`invoices`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.listing import utc
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

EVENT_DEFAULTS: Record = {
    "status": "ACTIVE",
    "type": "APPOINTMENT",
    "buffer": 0,
    "duration": 60,
    "isAllDay": False,
    "timezone": "America/Toronto",
    "confirmedByClient": False,
    "source": "MANUAL",
    "travelMode": "DRIVING",
    "confirmationWarning": "NONE",
    "isTypeChangeable": True,
}


class Writer:
    """Writes records, with ids and stamps of the server's clock."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings

    def new_id(self, prefix: str) -> str:
        """An id that nothing has yet."""
        return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(16))}"

    def edit(self, kind: str, record: Record, values: Record) -> Record:
        """Put a record with some fields changed and a fresh stamp."""
        return self.store.put(kind, record | values | {"updatedAt": self.settings.now()})

    def actor_id(self) -> str | None:
        """The user in whose name the API key works: the account's first."""
        return next(iter(self.store.ids("users")), None)

    def entry(self, entry_type: str, occurred_at: str, **values: Json) -> Record:
        """Add an entry to the timeline."""
        record = {"id": self.new_id("tme"), "type": entry_type, "occurredAt": occurred_at, "userId": self.actor_id()}
        return self.store.put("timeline", record | values)

    def delete(self, kind: str, record_id: str) -> bool:
        """Remove a record and everything that cannot be listed without it."""
        if not self.store.remove(kind, record_id):
            return False
        for child_kind, field in _BELOW.get(kind, ()):
            for child in self.store.children(child_kind, field, record_id):
                self.delete(child_kind, child["id"])
        return True


_BELOW = {
    "clients": (
        ("contacts", "clientId"),
        ("pianos", "clientId"),
        ("events", "clientId"),
        ("timeline", "clientId"),
        ("invoices", "clientId"),
        ("client_logs", "clientId"),
    ),
    "pianos": (("measurements", "pianoId"),),
    "client_logs": (("timeline", "clientLogId"),),
}


def problem(field_name: str, *messages: str, kind: str = "VALIDATION") -> Record:
    """One of `mutationErrors`."""
    return {"fieldName": field_name, "key": field_name, "messages": list(messages), "type": kind}


def done(**payload: Json) -> Record:
    """The payload of a mutation that was carried out."""
    return payload | {"mutationErrors": []}


def failed(*problems: Record) -> Record:
    """The payload of one that was not."""
    return {"mutationErrors": list(problems)}


def missing(kind: str, record_id: str) -> Record:
    """The payload of one whose record is not there."""
    return failed(problem("id", f"No {kind} has the id {record_id!r}", kind="NOT_FOUND"))


def _without_reference(values: Record) -> Record:
    return {name: value for name, value in values.items() if name != "errorReferenceId"}


def _update_piano(writer: Writer, id: str, input: Record) -> Record:  # noqa: A002  the API's own names
    piano = writer.store.get("pianos", id)
    if piano is None:
        return missing("piano", id)
    values = _without_reference(input)
    client_id = values.get("clientId", piano.get("clientId"))
    if client_id != piano.get("clientId") and writer.store.get("clients", client_id) is None:
        return failed(problem("clientId", "Client does not exist"))
    values["tags"] = values.get("tags", piano["tags"]) or []
    if values.get("manualLastService"):
        values["calculatedLastService"] = max(values["manualLastService"], piano.get("eventLastService") or "")
    return done(piano=writer.edit("pianos", piano, values))


def _update_client(writer: Writer, id: str, input: Record) -> Record:  # noqa: A002
    client = writer.store.get("clients", id)
    if client is None:
        return missing("client", id)
    values = _without_reference(input)
    values["tags"] = values.get("tags", client["tags"]) or []
    return done(client=writer.edit("clients", client, values))


def _create(kind: str, name: str, prefix: str, defaults: Record) -> Callable[..., Record]:
    """Adds a record; `id`: its id, where the caller has one."""

    def create(writer: Writer, input: Record, id: str | None = None) -> Record:  # noqa: A002
        values = defaults | _without_reference(input)
        if writer.store.get(kind, id) is not None:
            return failed(problem("id", "has already been taken"))
        if kind == "pianos" and writer.store.get("clients", values.get("clientId")) is None:
            return failed(problem("clientId", "Client does not exist"))
        now = writer.settings.now()
        own = {"id": id or writer.new_id(prefix), "createdAt": now, "updatedAt": now}
        return done(**{name: writer.store.put(kind, values | own)})

    return create


def _update_product(writer: Writer, id: str, input: Record) -> Record:  # noqa: A002
    product = writer.store.get("products", id)
    if product is None:
        return missing("service", id)
    values = _without_reference(input)
    wrong = []
    if "name" in values and not any((text or "").strip() for text in (values["name"] or {}).values()):
        wrong.append(problem("name", "can't be blank"))
    if (values.get("amount") or 0) < 0:
        wrong.append(problem("amount", "must be greater than or equal to 0"))
    if "masterServiceGroupId" in values and writer.store.get("product_groups", values["masterServiceGroupId"]) is None:
        wrong.append(problem("masterServiceGroupId", "Group does not exist"))
    return failed(*wrong) if wrong else done(masterServiceItem=writer.edit("products", product, values))


def unfit_piano(writer: Writer, piano_id: str | None, field_name: str) -> Record | None:
    """Why a piano takes no service entries; None: it does."""
    piano = writer.store.get("pianos", piano_id)
    if piano is None:
        return problem(field_name, f"Piano {piano_id!r} does not exist", kind="NOT_FOUND")
    if piano.get("status") == "INACTIVE":
        return problem(field_name, "Piano is inactive and cannot receive service entries")
    return None


def create_client_log(writer: Writer, clientId: str, input: Record, pianoId: str | None = None) -> Record:  # noqa: A002, N803
    """A comment on a client or a piano: a log and its entry in the timeline."""
    if writer.store.get("clients", clientId) is None:
        return failed(problem("clientId", "Client does not exist", kind="NOT_FOUND"))
    if pianoId is not None:
        wrong = unfit_piano(writer, pianoId, "pianoId")
        if wrong is not None:
            return failed(wrong)
    if not (input.get("comment") or "").strip():
        return failed(problem("comment", "can't be blank"))
    now = writer.settings.now()
    created_at = utc(input["createdAt"]) if input.get("createdAt") else now
    log = {
        "id": writer.new_id("log"),
        "clientId": clientId,
        "pianoId": pianoId,
        "type": "COMMENT",
        "comment": input["comment"],
        "automated": False,
        "verbose": False,
        "createdAt": created_at,
        "updatedAt": now,
        "createdById": writer.actor_id(),
    }
    writer.store.put("client_logs", log)
    writer.entry(
        "USER_COMMENT",
        created_at,
        clientId=clientId,
        pianoId=pianoId,
        clientLogId=log["id"],
        relatedId=log["id"],
        relatedType="ClientLog",
        summary="Commentaire",
        comment=input["comment"],
    )
    return done(clientLog=log)


def _update_client_log(writer: Writer, id: str, clientId: str, input: Record) -> Record:  # noqa: A002, N803
    log = writer.store.get("client_logs", id)
    if log is None or log["clientId"] != clientId:
        return missing("client log", id)
    values = {name: value for name, value in input.items() if value is not None}
    for entry in writer.store.children("timeline", "clientLogId", id):
        writer.store.put("timeline", entry | {"comment": values.get("comment", entry.get("comment"))})
    return done(clientLog=writer.edit("client_logs", log, values))


def create_piano_measurement(writer: Writer, input: Record) -> Record:  # noqa: A002
    """A measurement, of today where it says no day."""
    wrong = unfit_piano(writer, input.get("pianoId"), "pianoId")
    if wrong is not None:
        return failed(wrong)
    now = writer.settings.now()
    own = {"id": writer.new_id("msr"), "createdAt": now, "updatedAt": now}
    dated = {"takenOn": writer.settings.today()} | _without_reference(input)
    return done(pianoMeasurement=writer.store.put("measurements", dated | own))


def _update_piano_measurement(writer: Writer, id: str, input: Record) -> Record:  # noqa: A002
    measurement = writer.store.get("measurements", id)
    if measurement is None:
        return missing("piano measurement", id)
    return done(pianoMeasurement=writer.edit("measurements", measurement, _without_reference(input)))


def _deletion(kind: str) -> Callable[..., Record]:
    def delete(writer: Writer, id: str, **_: Json) -> Record:  # noqa: A002
        return done(isDeleted=True) if writer.delete(kind, id) else missing(kind, id)

    return delete


MUTATIONS: dict[str, Callable[..., Record]] = {
    "updatePiano": _update_piano,
    "createPiano": _create("pianos", "piano", "pno", {"status": "ACTIVE", "tags": []}),
    "updateClient": _update_client,
    "createClient": _create("clients", "client", "cli", {"status": "NEW", "tags": []}),
    "updateMasterServiceItem": _update_product,
    "deleteEvent": _deletion("events"),
    "createClientLog": create_client_log,
    "updateClientLog": _update_client_log,
    "deleteClientLog": _deletion("client_logs"),
    "createPianoMeasurement": create_piano_measurement,
    "updatePianoMeasurement": _update_piano_measurement,
    "deletePianoMeasurement": _deletion("measurements"),
    "deletePiano": _deletion("pianos"),
    "deleteClient": _deletion("clients"),
}
