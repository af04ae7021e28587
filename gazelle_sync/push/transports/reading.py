"""Reads and look-ups, by GraphQL on both transports; and the writes that only GraphQL has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from gazelle_sync.errors import (
    AnswerUnreadable,
    ApiError,
    ApiUnavailable,
    OperationFailed,
    RequestRefused,
    WriteRefused,
)
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.answers import format_errors
from gazelle_sync.gazelle.client import Answer, GazelleClient
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.gist import gist
from gazelle_sync.push.model import Action, Entry, JsonValue, Remote
from gazelle_sync.push.transports.protocol import Read, Sent, Wanted

REFUSED_IN_A_ROW = 3
"""After so many single records that cannot be read, with none that can between them, the account is read."""
READINGS = ("temperature", "humidity", "a4Pitch")


class GazelleRecords:
    """What both transports do alike.

    Args:
        client: Shared with nobody else's retries.
    """

    def __init__(self, client: GazelleClient) -> None:
        self.client = client
        self.api_ahead: timedelta | None = None
        self._refused_in_a_row = 0

    def read(self, wanted: Sequence[Wanted]) -> dict[str, Read]:
        """See `Transport`. A request that is refused is split until the bad record stands alone."""
        asked = self.client.pushed_size.size
        try:
            answer = self._ask(wanted, asked)
        except (OperationFailed, AnswerUnreadable, RequestRefused, ApiUnavailable) as error:
            if isinstance(error, ApiUnavailable):
                if error.status != httpx.codes.INTERNAL_SERVER_ERROR:
                    raise
                self.client.read_account()  # does only this request make Gazelle stumble?
            if len(wanted) > 1:
                middle = len(wanted) // 2
                return self.read(wanted[:middle]) | self.read(wanted[middle:])
            if isinstance(error, OperationFailed) and error.not_found == {"n0"}:
                return {wanted[0].id: None}
            if wanted[0].since is not None and self.client.pushed_size.shrink(error, asked):
                return self.read(wanted)
            self._refused_in_a_row += 1
            if self._refused_in_a_row > REFUSED_IN_A_ROW:
                self.client.read_account()  # or it is not the records
                self._refused_in_a_row = 0
            return {wanted[0].id: error}
        self._refused_in_a_row = 0
        if any(one.since is not None for one in wanted):
            self.client.pushed_size.accepted()
        return self._records(wanted, answer)

    def _records(self, wanted: Sequence[Wanted], answer: Answer) -> dict[str, Read]:
        found: dict[str, Read] = {}
        for n, one in enumerate(wanted):
            try:
                found[one.id] = self._record(one, answer, n)
            except ApiError as error:
                found[one.id] = error
        return found

    def find(self, piano_id: str, name: str, payload: Mapping[str, JsonValue], since: datetime | None) -> list[str]:
        """See `Transport`."""
        if name == "add_measurement":
            record = self.read([Wanted(piano_id)])[piano_id]
            if isinstance(record, ApiError):
                raise record
            if record is None:
                said = gettext("{id} is not there, which says nothing of its measurements", id=piano_id)
                raise AnswerUnreadable("PushRead", said)
            return [key for key, values in record.measurements.items() if is_measurement(values, payload)]
        text = gist(str(payload["text"]))
        return [entry.id for entry in self._entries(piano_id, since, None) if gist(entry.text) == text]

    def take_back(self, name: str, created_id: str) -> None:
        """See `Transport`."""
        operation, root = {
            "add_measurement": ("PushMeasurementDeleted", "deletePianoMeasurement"),
        }.get(name, ("PushCommentDeleted", "deleteClientLog"))
        self.mutate(operation, root, {"id": created_id})

    def add_measurement(self, action: Action, remote: Remote) -> Sent:
        """Create a measurement."""
        given = action.payload
        values = {name: given[name] for name in READINGS if name in given}
        payload = self.mutate(
            "PushMeasurement",
            "createPianoMeasurement",
            {"input": {"pianoId": remote.id, "takenOn": given["taken_on"], **values}},
        )
        made = member(payload, "PushMeasurement", "pianoMeasurement")
        return Sent({"pianoMeasurement": made}, created_id=str(made["id"]))

    def mutate(self, operation: str, root: str, variables: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Send a mutation; the payload of its root field.

        Raises:
            WriteRefused: `mutationErrors`.
            AnswerUnreadable: The answer says neither that it was done nor that it was not.
        """
        return self.payload_of(self._mutation(operation, variables), operation, root)

    def _mutation(self, operation: str, variables: Mapping[str, JsonValue]) -> dict[str, Any]:
        text = documents.with_nested_pages(documents.operation("push", operation), self.client.pushed_size.size)
        answer = self.client.execute_exactly(operation, text, variables, is_write=True)
        self._compare_clocks(answer)
        return answer.data

    def payload_of(self, data: Mapping[str, Any], operation: str, root: str) -> dict[str, Any]:
        """The payload of a mutation's root field; see `mutate`."""
        payload = data.get(root)
        if not isinstance(payload, dict) or not isinstance(payload.get("mutationErrors", []), list):
            raise lacks(operation, root)
        if problems := payload.get("mutationErrors"):
            kinds = {problem.get("type") for problem in problems if isinstance(problem, dict)}
            raise WriteRefused(operation, format_errors(problems), is_missing="NOT_FOUND" in kinds)
        return payload

    def _ask(self, wanted: Sequence[Wanted], size: int) -> Answer:
        variables: dict[str, JsonValue] = {}
        for n, one in enumerate(wanted):
            variables[f"id{n}"] = one.id
            if one.since is not None:
                variables |= {f"id{n}e": one.id, f"since{n}": as_instant(one.since)}
        text = documents.push_read(tuple(one.since is not None for one in wanted))
        answer = self.client.execute_exactly("PushRead", documents.with_nested_pages(text, size), variables)
        self._compare_clocks(answer)
        return answer

    def _compare_clocks(self, answer: Answer) -> None:
        if self.api_ahead is None:
            self.api_ahead = answer.not_before - datetime.now(UTC)

    def _record(self, wanted: Wanted, answer: Answer, n: int) -> Remote | None:
        body = answer.data.get(f"n{n}", ...)
        if body is None:
            return None
        entries: tuple[Entry, ...] = ()
        if wanted.since is not None:
            entries = tuple(self._entries(wanted.id, wanted.since, answer.data.get(f"e{n}")))
        return remote_of(body, wanted.id, entries=entries)

    def _entries(self, piano_id: str, since: datetime | None, first_page: Any) -> Iterator[Entry]:
        """A piano's entries from an instant on, page by page."""
        page = first_page if first_page is not None else self._entries_page(piano_id, since, None)
        while True:
            if not isinstance(page, dict) or not isinstance(page.get("nodes"), list):
                raise lacks("PushEntries", "allTimelineEntries", piano_id)
            for node in page["nodes"]:
                if isinstance(node, dict) and node.get("id"):
                    yield Entry(str(node["id"]), str(node.get("comment") or ""), _made_by(node))
            info = page.get("pageInfo") or {}
            if not info.get("hasNextPage") or not info.get("endCursor"):
                return
            page = self._entries_page(piano_id, since, info["endCursor"])

    def _entries_page(self, piano_id: str, since: datetime | None, after: str | None) -> Any:
        text = documents.operation("push", "PushEntries")
        variables = {"id": piano_id, "after": after, "since": as_instant(since) if since else None}
        return self.page("PushEntries", text, variables).get("allTimelineEntries")

    def page(self, operation: str, text: str, variables: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Read one page; a size that is refused is tried again smaller, of the list and of the lists inside records.

        Raises:
            ApiError: Also at the smallest size.
        """
        pushed = self.client.pushed_size
        while True:
            size = pushed.size
            sized = documents.with_nested_pages(text, size)
            try:
                data = self.client.execute_exactly(operation, sized, {**variables, "first": size}).data
            except ApiError as error:
                if not pushed.shrink(error, size):
                    raise
            else:
                pushed.accepted()
                return data


def remote_of(body: Any, piano_id: str, *, entries: tuple[Entry, ...] = ()) -> Remote:
    """A piano's body as the push sees it.

    Raises:
        AnswerUnreadable: A part that is written over is missing: absent is not empty.
    """
    if not isinstance(body, dict) or body.get("id") != piano_id:
        said = gettext("asked for {id}, Gazelle answered with another record", id=piano_id)
        raise AnswerUnreadable("PushRead", said)
    tags, notes = body.get("tags"), body.get("notes", ...)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise lacks("PushRead", "tags", piano_id)
    if notes is not None and not isinstance(notes, str):
        raise lacks("PushRead", "notes", piano_id)
    client = body.get("client")
    measured = body.get("allPianoMeasurements")
    return Remote(
        id=piano_id,
        client_id=client.get("id") if isinstance(client, dict) else None,
        status=body.get("status"),
        tags=tuple(tags),
        notes=notes,
        last_serviced=_day(body.get("manualLastService")),
        updated_at=parse_instant(body.get("updatedAt")),
        measurements={
            str(row["id"]): row for row in (measured if isinstance(measured, list) else []) if isinstance(row, dict)
        },
        entries=entries,
    )


def member(payload: Mapping[str, Any], operation: str, name: str) -> dict[str, Any]:
    """The record that a mutation made or changed.

    Raises:
        AnswerUnreadable: There is none: whether it was done is not known.
    """
    made = payload.get(name)
    if not isinstance(made, dict) or not made.get("id"):
        raise lacks(operation, name)
    return made


def lacks(operation: str, name: str, piano_id: str | None = None) -> AnswerUnreadable:
    """The error for an answer without a field that was asked for, of a piano or as a whole."""
    said = gettext("the answer holds no {name}", name=name)
    return AnswerUnreadable(operation, f"{piano_id}: {said}" if piano_id else said)


def is_measurement(values: Mapping[str, JsonValue], payload: Mapping[str, JsonValue]) -> bool:
    """Whether a measurement at Gazelle is the one of a payload."""
    wanted = {name: payload.get(name) for name in READINGS} | {"takenOn": payload["taken_on"]}
    return all(values.get(name) == value for name, value in wanted.items())


def as_instant(instant: datetime) -> str:
    """As the API writes instants."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _made_by(entry: Mapping[str, Any]) -> str | None:
    """Id of the comment that an entry stands for; other records have entries as well."""
    is_comment = "log" in str(entry.get("relatedType") or "").lower()
    return str(entry["relatedId"]) if is_comment and entry.get("relatedId") else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
