"""`push --undo RUN`: put back what a run changed at Gazelle.

What was written over is put back where it is still as that run left it: tags and text that came since stay. Comments
and measurements are deleted. The local row follows, so that the next push does not say it again; what it said is kept
in `sync_conflicts`. Deleting goes by GraphQL whatever the transport: REST has no endpoint for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gazelle_sync.errors import ApiError, SettingsError, WriteRefused
from gazelle_sync.push import rows
from gazelle_sync.push.block import Marks, read_block, write_block
from gazelle_sync.push.fields import Block, StatusTag
from gazelle_sync.push.gist import alike
from gazelle_sync.push.journal import UNDO, UPDATES, Journal, Search
from gazelle_sync.push.model import Action, Clash, JsonValue, Remote, Row, key_of
from gazelle_sync.push.pushables import PUSHABLES, Pushable
from gazelle_sync.push.send import RunStops
from gazelle_sync.push.transports import Wanted
from gazelle_sync.push.transports.graphql import GraphqlTransport
from gazelle_sync.push.words import action_name, say
from gazelle_sync.push.work import Outcome
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement

NOTHING_DONE = (
    "Run {run_id} changed nothing at Gazelle that could be put back. The column run_id of sync_gazelle_logs names the "
    "runs that did."
)


@dataclass(frozen=True)
class _Done:
    """An action that a run did."""

    id: int
    record: str
    name: str
    field: str | None
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    before: Mapping[str, Any]


class Undoing:
    """Takes back what one run did.

    Args:
        connection: Autocommit.
        transport: Reads and deletes.
        pushable: Whose table.
        run_id: Of the run that takes back.
        language: `en` or `fr`.
    """

    def __init__(
        self, connection: Connection, transport: GraphqlTransport, pushable: Pushable, *, run_id: str, language: str
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._pushable = pushable
        self._run_id = run_id
        self._language = language
        self._journal = Journal(connection, pushable.entity.name, run_id)

    def undo(self, run_id: str) -> list[Outcome]:
        """Take back everything that a run did, the last first.

        Raises:
            SettingsError: That run did nothing that could be taken back.
            RunStops: Gazelle cannot be asked.
        """
        found = _done(self._connection, self._pushable, run_id)
        if not found:
            raise SettingsError(NOTHING_DONE.format(run_id=run_id))
        outcomes: dict[str, Outcome] = {}
        for done in found:
            outcome = outcomes.setdefault(done.record, Outcome(done.record))
            try:
                self._take_back(done, outcome)
            except WriteRefused as error:
                named = action_name(self._language, done.name)
                outcome.failed[done.name] = say(self._language, "refused", action=named, reason=error.reason)
            except ApiError as error:
                raise RunStops(str(error)) from error
        return list(outcomes.values())

    def _take_back(self, done: _Done, outcome: Outcome) -> None:
        read = self._transport.read([Wanted(done.record)])[done.record]
        if isinstance(read, ApiError):
            raise read
        if read is None:
            raise WriteRefused("PushRead", say(self._language, "no_record", id=done.record), is_missing=True)
        payload, shown = self._restored(done, read)
        if payload is None:
            self._mark(done, None, read)
            return
        name = UNDO + done.name
        action = Action(name, done.field or "", payload, {}, (name, done.id, self._run_id), shown=shown)
        with self._connection.transaction():
            log_id = self._journal.intent(action, read, Search(), 0.0)
        try:
            after = self._send(done, payload, read)
        except ApiError as error:
            with self._connection.transaction():
                self._journal.failed(log_id, str(error))
            raise
        self._mark(done, log_id, after)
        outcome.sent.append(action)

    def _send(self, done: _Done, payload: Mapping[str, JsonValue], read: Remote) -> Remote:
        if done.name not in UPDATES:
            try:
                self._transport.take_back(done.name, str(payload["id"]))
            except WriteRefused as error:
                if not error.is_missing:
                    raise  # gone already is as good
            return read
        sent = self._transport.send(Action(done.name, done.field or "", payload, {}, ()), read)
        return sent.after or read

    def _restored(self, done: _Done, now: Remote) -> tuple[dict[str, JsonValue] | None, tuple[str, str]]:
        """What to send, and before and after for a diff; nothing where somebody has changed it since."""
        payload = done.request.get("payload") or {}
        if done.name == "update_tags":
            tags = restored_tags(list(now.tags), payload["tags"], done.before.get("tags") or [])
            return ({"tags": tags} if tags != list(now.tags) else None), (", ".join(now.tags), ", ".join(tags))
        if done.name == "update_piano":
            notes = self._restored_notes(done, now)
            return ({"observations": notes} if notes != (now.notes or "") else None), (now.notes or "", notes)
        if done.name == "set_serviced":
            last = now.last_serviced.isoformat() if now.last_serviced else None
            before = done.before.get("last_serviced")
            unchanged = last == payload["last_serviced"] and before != last
            return ({"last_serviced": before} if unchanged else None), (last or "", before or "")
        created = _created_id(done)
        if created is None:
            reason = say(self._language, "by_hand")
            raise WriteRefused(done.name, reason)
        return {"id": created}, (str(payload.get("text", payload.get("taken_on", ""))), "")

    def _restored_notes(self, done: _Done, now: Remote) -> str:
        sent = str((done.request.get("payload") or {}).get("observations") or "")
        before = str(done.before.get("notes") or "")
        if alike(now.notes, sent):
            return before
        marks = self._marks(done.record)
        if marks is None:
            return now.notes or ""
        found = read_block(before, marks)
        return write_block(now.notes, marks, found.says if found else None)

    def _mark(self, done: _Done, log_id: int | None, after: Remote) -> None:
        """The log says that it was taken back, and the local row follows."""
        with self._connection.transaction():
            if log_id is not None:
                self._journal.succeeded(log_id, None)
            self._connection.execute(statement("push_log_undone"), {"id": done.id})
            for row in rows.load(self._connection, self._pushable, [done.record]):
                self._follow(row, done, after)

    def _follow(self, row: Row, done: _Done, after: Remote) -> None:
        for field in self._pushable.fields:
            settles: dict[str, JsonValue]
            if isinstance(field, StatusTag) and done.name == "update_tags":
                value = field.value_of(after.tags)
                mine = [tag for tag in after.tags if tag in field.tags.values()]
                settles = {field.column: value, f"{field.column}.tags": mine}
            elif isinstance(field, Block) and done.name == "update_piano":
                found = read_block(after.notes, Marks.of(field.label, row.key))
                value = found.says or None if found else None
                settles = {field.column: value}
            else:
                continue
            ours = row.values.get(field.column)
            if alike(ours, (done.request.get("settles") or {}).get(field.column)) and not alike(ours, value):
                rows.follow(self._connection, self._pushable, row, {field.column: value})
                key = key_of("undone", done.id, field.column)
                self._journal.clash(row.key, Clash(field.column, value, ours, value, "theirs", key))
            rows.settle(self._connection, self._pushable, row, settles)

    def _marks(self, record: str) -> Marks | None:
        return next((Marks.of(f.label, record) for f in self._pushable.fields if isinstance(f, Block)), None)


def assert_undoable(settings: Settings, run_id: str) -> None:
    """Refuse what a person mistyped, or asked for twice, before it becomes a push that failed.

    Raises:
        SettingsError: That run did nothing that could be taken back.
        DatabaseError: The database cannot be asked.
    """
    with database_errors(), connect(str(settings.database_url)) as connection:
        if not any(_done(connection, pushable, run_id) for pushable in PUSHABLES):
            raise SettingsError(NOTHING_DONE.format(run_id=run_id))


def restored_tags(now: list[str], sent: list[str], before: list[str]) -> list[str]:
    """The tags without what was added then and with what was taken away then; what came since stays."""
    kept = [tag for tag in now if tag in before or tag not in sent]
    return kept + [tag for tag in before if tag not in sent and tag not in now]


def _done(connection: Connection, pushable: Pushable, run_id: str) -> list[_Done]:
    """What a run did and nobody took back, the last first."""
    given = {"run_id": run_id, "entity": pushable.entity.name}
    return [
        _Done(log_id, record, name, field, request or {}, response or {}, before or {})
        for log_id, record, name, field, request, response, before in connection.execute(
            statement("push_of_run"), given
        )
    ]


def _created_id(done: _Done) -> str | None:
    """The id of what a create made; None where only an entry of the timeline tells of it."""
    for name in ("clientLog", "comment", "pianoMeasurement"):
        made = done.response.get(name)
        if isinstance(made, dict) and made.get("id"):
            return str(made["id"])
    found = done.response.get("found")
    return str(found) if found and done.name == "add_measurement" else None
