"""Pianos at Gazelle: `updatePiano`, `createClientLog`, `createPianoMeasurement`, and their REST endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain
from typing import Any
from urllib.parse import quote

from gazelle_sync.errors import WriteRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.fields.scalars import as_instant
from gazelle_sync.push.fields.texts import Block
from gazelle_sync.push.model import Item, JsonValue, Remote, Values
from gazelle_sync.push.text import normalize, plain
from gazelle_sync.push.transports.lists import pages_of
from gazelle_sync.push.transports.protocol import (
    Create,
    Ending,
    Kind,
    Pages,
    Query,
    Update,
    Wanted,
    body_of,
    lacks,
)

NO_CLIENT = Message("the piano belongs to no client")
READINGS = ("temperature", "humidity", "a4Pitch")


class PianoKind(Kind):
    """See `Kind`."""

    def __init__(self) -> None:
        self.operations = {
            "update_tags": _update(Message("the tags"), "tags", "tags", "tags", [], "/tags"),
            "update_piano": _update(Message("the piano's notes"), "notes", "observations", "notes", ""),
            "set_serviced": _update(
                Message("the day of the last service"), "last_serviced", "last_serviced", "manualLastService", None
            ),
            "add_comment": COMMENT,
            "add_service": replace(COMMENT, called=Message("the service entry")),
            "add_measurement": MEASUREMENT,
        }

    def queries(self, wanted: Wanted, page: int) -> list[Query]:
        """See `Kind`."""
        queries = [Query("piano", {"id": ("String!", wanted.id)}, "...PushedPiano")]
        if wanted.since is not None:
            arguments = {
                "pianoId": ("String", wanted.id), "occurredAtGet": ("CoreDateTime", as_instant(wanted.since)),
                "first": ("Int", page),
            }  # fmt: skip
            queries.append(Query("allTimelineEntries", arguments, "...PushedEntries", place="e"))
        return queries

    def record(self, wanted: Wanted, answers: Mapping[str, Any], pages: Pages) -> Remote | None:
        """See `Kind`."""
        if answers.get("n", ...) is None:
            return None
        items: dict[str, tuple[Item, ...]] = {}
        if wanted.since is not None:
            items["entries"] = tuple(_entries(wanted, answers.get("e"), pages))
        body = answers.get("n")
        measured = body.get("allPianoMeasurements") if isinstance(body, dict) else None
        rows = [row for row in (measured if isinstance(measured, list) else []) if isinstance(row, dict)]
        items["measurements"] = tuple(Item(str(row["id"]), row) for row in rows if row.get("id"))
        return piano_of(body, wanted.id, items=items)

    def holds(self, remote: Remote) -> dict[str, JsonValue]:
        """See `Kind`."""
        return {"tags": remote.get("tags"), "notes": remote.get("notes") or ""}

    def kept(self, remote: Remote, fields: Sequence[object]) -> dict[str, JsonValue]:
        """See `Kind`."""
        blocks = [field for field in fields if isinstance(field, Block)]
        foreign = remote.get("notes")
        for block in blocks:
            foreign = block.foreign(remote.id, foreign)
        return {"tags": remote.get("tags"), "has_foreign_notes": bool(plain(foreign))}


def piano_of(body: Any, piano_id: str, *, items: Mapping[str, tuple[Item, ...]] | None = None) -> Remote:
    """A piano's body as the push sees it.

    Raises:
        AnswerUnreadable: A part that is written over is missing: absent is not empty.
    """
    body = body_of(body, piano_id)
    tags, notes = body.get("tags"), body.get("notes", ...)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise lacks("PushRead", "tags", piano_id)
    if notes is not None and not isinstance(notes, str):
        raise lacks("PushRead", "notes", piano_id)
    values: dict[str, JsonValue] = {"tags": tags, "notes": notes, "last_serviced": _day(body.get("manualLastService"))}
    if "status" in body:
        client = body.get("client")
        values |= {"status": body["status"], "client_id": client.get("id") if isinstance(client, dict) else None}
    return Remote(piano_id, values, parse_instant(body.get("updatedAt")), items or {})


def measured_the_same(values: Values, payload: Values) -> bool:
    """Whether a measurement at Gazelle is the one of a payload."""
    wanted = {name: payload.get(name) for name in READINGS} | {"takenOn": payload["taken_on"]}
    return all(values.get(name) == value for name, value in wanted.items())


def said_the_same(values: Values, payload: Values) -> bool:
    """Whether an entry says what a comment's payload says."""
    return normalize(str(values.get("text") or "")) == normalize(str(payload.get("text") or ""))


def _update(called: Message, attribute: str, said_as: str, field: str, empty: JsonValue, path: str = "") -> Update:
    def rest(piano_id: str, value: JsonValue) -> tuple[str, str, dict[str, JsonValue]]:
        return "PATCH", f"{_path(piano_id)}{path}", {said_as: value}

    return Update(
        called, attribute, said_as, "updatePiano", "PrivatePianoInput", field, "piano", "...PushedState", piano_of,
        rest, empty,
    )  # fmt: skip


def _comment(payload: Values, remote: Remote) -> dict[str, tuple[str, JsonValue]]:
    if not remote.get("client_id"):
        raise WriteRefused("PushComment", gettext(NO_CLIENT), is_missing=True)
    values = {"comment": payload["text"], "createdAt": payload["created_at"]}
    return {
        "clientId": ("String!", remote.get("client_id")), "pianoId": ("String", remote.id),
        "input": ("PrivateClientLogInput!", values),
    }  # fmt: skip


def _comment_by_rest(piano_id: str, payload: Values) -> tuple[str, str, dict[str, JsonValue]]:
    """A comment carries no date over REST: the day of a service travels in `last_serviced`."""
    by = {"created_by": payload["created_by"]} if payload.get("created_by") else {}
    return "POST", f"{_path(piano_id)}/comments", {"text": payload["text"], **by}


def _measurement(payload: Values, remote: Remote) -> dict[str, tuple[str, JsonValue]]:
    values = {name: payload[name] for name in READINGS if name in payload}
    return {
        "input": ("PrivatePianoMeasurementInput!", {"pianoId": remote.id, "takenOn": payload["taken_on"], **values})
    }


COMMENT = Create(
    Message("the comment"), "createClientLog", _comment, "clientLog", "id comment createdAt", "entries", said_the_same,
    Ending(Message("the comment"), "deleteClientLog"), _comment_by_rest,
)  # fmt: skip
MEASUREMENT = Create(
    Message("the measurement"), "createPianoMeasurement", _measurement, "pianoMeasurement",
    "id takenOn humidity temperature a4Pitch", "measurements", measured_the_same,
    Ending(Message("the measurement"), "deletePianoMeasurement"), is_dated=False,
)  # fmt: skip


def _path(piano_id: str) -> str:
    return f"/api/v1/pianos/{quote(piano_id, safe='')}"


def _entries(wanted: Wanted, listed: Any, pages: Pages) -> Iterator[Item]:
    """A piano's entries from an instant on."""
    since = as_instant(wanted.since) if wanted.since else None

    def page(after: str) -> Any:
        return pages("PushEntries", {"id": wanted.id, "after": after, "since": since}).get("allTimelineEntries")

    for node in chain.from_iterable(pages_of("PushEntries", "allTimelineEntries", listed, page, wanted.id)):
        if node.get("id"):
            yield Item(str(node["id"]), {"text": str(node.get("comment") or "")}, _made_by(node))


def _made_by(entry: Mapping[str, Any]) -> str | None:
    """Id of the comment that an entry stands for; other records have entries as well."""
    is_comment = "log" in str(entry.get("relatedType") or "").lower()
    return str(entry["relatedId"]) if is_comment and entry.get("relatedId") else None


def _day(value: object) -> str | None:
    try:
        return date.fromisoformat(value).isoformat() if isinstance(value, str) else None
    except ValueError:
        return None


PIANO = PianoKind()
