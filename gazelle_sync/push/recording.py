"""Writes down what came of rows: what Gazelle has becomes base, and the rows' marks follow.

Each step is a transaction that leaves the database true if the process dies on the next line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import psycopg

from gazelle_sync.push.changes import Changes, Intent, Written
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Action
from gazelle_sync.push.plan import written
from gazelle_sync.push.reading import Reader
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports.protocol import Create, Ending, Operation, Sent, Transport
from gazelle_sync.push.work import Work, montreal_time, sentence


class Recorder(Reader):
    """Keeps the database true about rows of one table.

    Args:
        store: Of that table.
        transport: Of its kind of record.
        language: `en` or `fr`.
    """

    def __init__(self, store: Store, transport: Transport, language: str) -> None:
        super().__init__(store, transport, language)
        self._made: set[str] = set()

    def _operation(self, action: Action) -> Operation:
        return self.pushable.kind.operations[action.name]

    def _confirm(self, work: Work, intent: Intent, sent: Sent) -> None:
        """Gazelle has it: the log, and what becomes base."""
        action = intent.action
        work.outcome.sent.append(action)
        reason = say(self.language, "arrived") if "found" in sent.response else action.remark
        operation = self._operation(action)
        if isinstance(operation, Create):
            work.changes.end(intent.log_id, "success", reason, response=sent.response)
            work.changes.settles |= action.settles
            work.made.append(action)
            if operation.makes_record:
                work.changes.created = sent.created_id
                work.row = replace(work.row, key=str(sent.created_id))
                self._made.add(str(sent.created_id))
            return
        if isinstance(operation, Ending):
            work.changes.end(intent.log_id, "success", reason, response=sent.response)
            return
        # Where our write replaced an edit that was made after our read, that edit is what we plan against next, and
        # our write is what Gazelle has now.
        before = work.current.now(sent.before)
        edited = {
            name: before.get(name) for name in self.pushable.attributes if before.get(name) != work.current.get(name)
        }
        if edited:
            values = {**work.compared.values, **edited}
            work.compared = replace(work.compared, values=values, updated_at=before.updated_at)
            work.was_overtaken = work.needs_plan = True
        after = before.now(sent.after)
        others = [name for name in self.pushable.attributes if name != operation.attribute]
        if any(after.get(name) != before.get(name) for name in others):
            work.needs_plan = True  # an edit since the reading, or a field that only the reading showed empty
        base = {**(work.row.base or {}), **work.changes.settles}
        stamp = (before if edited else work.current).updated_at  # the empty update moves it as well
        work.changes.settles |= written(base, stamp, after.updated_at)
        if not work.was_overtaken:
            work.changes.settles |= action.settles
            work.compared = after
        work.current = after
        response = sent.response
        work.changes.end(intent.log_id, "success", reason, response=response, before=before if edited else None)

    def _say(self, key: str, action: Action, reason: str, *, until: datetime | None = None) -> str:
        named, when = self.pushable.action_name(self.language, action.name), montreal_time(until) if until else ""
        return say(self.language, key, action=named, reason=sentence(reason), until=when)

    def _end(self, works: Sequence[Work]) -> None:
        """Take over what Gazelle's side won, and clear the marks of rows that are still those that we read."""
        for work in works:
            changes = work.changes
            if work.plan.follows and not work.is_unsure:
                changes.follows = dict(work.plan.follows)
                changes.follows_settle = dict(work.plan.follows_settle)
                changes.follows_clashes = [clash for clash in work.plan.clashes if clash.winner == "theirs"]
            if work.outcome.trouble is not None:
                changes.failed, changes.is_outage = work.outcome.trouble, work.outcome.is_outage
                changes.at_any_revision = self.pushable.record_key in work.row.faults
            elif work.row.is_deleted:
                changes.is_forgotten = True
            else:
                changes.finished = work.current
        refused = self._flush(works).refused
        self.store.refuse(
            [
                Changes(work.row, failed=work.outcome.trouble, at_any_revision=True)
                for work in works
                if work.row.local_id in refused
            ]
        )

    def _flush(self, works: Sequence[Work]) -> Written:
        """Write down what is known about rows."""
        given = {work.row.local_id: (work, work.changes) for work in works}
        for work in works:
            work.changes = Changes(work.row)
        found = self.store.write([changes for _, changes in given.values()])
        for local_id, error in found.refused.items():
            work, changes = given[local_id]
            self._refused(work, changes, error)
        for local_id, base in found.bases.items():
            work, _ = given[local_id]
            work.row = replace(work.row, base=base)
            work.changes.row = work.row
        for local_id in found.followed:
            work, changes = given[local_id]
            work.outcome.followed = changes.follows
        for local_id, (work, changes) in given.items():
            if changes.settles and local_id not in found.bases and local_id not in found.refused:
                # The row is gone, or speaks of another record: what was agreed on counts for the rest of this run.
                work.row = replace(work.row, base={**(work.row.base or {}), **changes.settles})
                work.changes.row = work.row
        return found

    def _refused(self, work: Work, changes: Changes, error: psycopg.Error) -> None:
        """A row refuses to be marked: what is known of its record is kept without that, and it says why."""
        marks = (changes.follows, changes.finished, changes.failed, changes.created)
        if any(marks) and not changes.intents:
            facts = replace(
                changes, follows={}, follows_settle={}, follows_clashes=[], finished=None, failed=None, created=None,
                looks_again=False, is_forgotten=False,
            )  # fmt: skip
            refused = self.store.write([facts]).refused
            error = refused.get(work.row.local_id, error)
        self.unforeseen(work, error)
