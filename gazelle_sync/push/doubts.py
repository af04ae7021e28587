"""What earlier runs left in doubt: whether Gazelle has it, found out before anything is sent again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from gazelle_sync.errors import ApiError
from gazelle_sync.push import rows
from gazelle_sync.push.journal import Journal, Open
from gazelle_sync.push.messages import action_name, say
from gazelle_sync.push.model import Remote
from gazelle_sync.push.plan import written
from gazelle_sync.push.pushables import Pushable
from gazelle_sync.push.send import PATIENCE_S, RunAborted, Sender, is_outage, shown
from gazelle_sync.push.transports.protocol import Transport, Wanted
from gazelle_sync.push.trouble import unforeseen, waits
from gazelle_sync.push.undo import Undoing
from gazelle_sync.push.work import Outcome
from gazelle_sync.warehouse.connect import Connection


class Doubts:
    """Settles doubts over one connection.

    Args:
        connection: Autocommit.
        transport: Reads.
        pushable: Whose table.
        journal: Writes over the same connection.
        sender: Looks for what a create made.
        undoing: Knows what an undo would have done.
        language: `en` or `fr`.
    """

    def __init__(
        self,
        connection: Connection,
        transport: Transport,
        pushable: Pushable,
        journal: Journal,
        sender: Sender,
        undoing: Undoing,
        *,
        language: str,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._pushable = pushable
        self._journal = journal
        self._sender = sender
        self._undoing = undoing
        self._language = language

    def resolve(self, keys: Sequence[str] | None) -> list[Outcome]:
        """Find out about the actions that earlier runs left in doubt.

        Returns:
            One for each record about which nothing could be found out: it waits, and its row says why.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        waiting: dict[str, Outcome] = {}
        begun = time.monotonic()
        for one in self._journal.open(keys):
            try:
                reason = self._resolve(one, one.wait_s + begun - time.monotonic())
            except ApiError as error:
                reason = say(self._language, "unreachable", reason=str(error))
                waiting[one.record] = waits(
                    self._connection, self._pushable, one.record, reason, is_outage=is_outage(error)
                )
                continue
            except Exception as error:
                waiting[one.record] = unforeseen(self._connection, self._pushable, self._language, one.record, error)
                continue
            if reason:
                waiting[one.record] = waits(self._connection, self._pushable, one.record, reason)
        return list(waiting.values())

    def _resolve(self, one: Open, left_s: float) -> str | None:
        """Settle one action in doubt, or say why it has to wait; for `left_s` more it may still arrive."""
        if one.is_undo:
            return self._undoing.resolve(replace(one, wait_s=left_s))
        remote = self._record(one)
        if remote is None and self._may_say_it_again(one):
            return say(self._language, "no_record", id=one.record)
        found = self._found(one, remote)
        if found is None and 0 < left_s <= PATIENCE_S:
            time.sleep(left_s)
            return self._resolve(one, 0.0)
        if found is None and remote is not None and left_s > 0:
            until = shown(one.until) if one.until else ""
            return say(self._language, "still_in_doubt", action=action_name(self._language, one.name), until=until)
        with self._connection.transaction():
            if found is None:
                self._journal.failed(one.id, say(self._language, "not_arrived"))
            else:
                self._journal.succeeded(one.id, {"found": found}, say(self._language, "arrived"))
                for row in rows.load(self._connection, self._pushable, [one.record]):
                    facts = dict(one.settles)
                    if one.is_update and remote is not None:
                        facts |= written(row.base, one.stamp, remote.updated_at)
                    rows.settle(self._connection, self._pushable, row, facts)
        return None

    def _record(self, one: Open) -> Remote | None:
        try:
            read = self._transport.read([Wanted(one.record)])[one.record]
        except ApiError as error:
            raise RunAborted(str(error)) from error
        if isinstance(read, ApiError):
            raise read
        return read

    def _may_say_it_again(self, one: Open) -> bool:
        """Whether it would be doubled if it were believed lost: that its record is not there proves nothing of it."""
        return not one.is_update and bool(rows.load(self._connection, self._pushable, [one.record]))

    def _found(self, one: Open, remote: Remote | None) -> str | None:
        """What shows that an action arrived, or None."""
        if remote is None:
            return None
        if one.is_update:
            now = remote.as_before()
            wanted = {"notes" if name == "observations" else name: value for name, value in one.payload.items()}
            return remote.id if all(now.get(name) == value for name, value in wanted.items()) else None
        return self._sender.look(one.record, one.name, one.payload, one.search)
