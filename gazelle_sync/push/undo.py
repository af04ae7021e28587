"""`push --undo RUN`: put back what a run changed at Gazelle and nobody has changed since.

It goes in waves, like a push, and by the same steps; only the plan is another one. Local rows follow: base says what
Gazelle has now, and so do columns that nobody edited since; what a row said is kept in `sync_conflicts`. An undo that
was killed is found out about by whoever runs next. It goes by GraphQL whatever the transport: REST cannot delete, and
does not tell what a write replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.changes import Intent, Logged, Said, Written, said_of
from gazelle_sync.push.inverse import Deed, deeds, inverse_of
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import UNDO, WHOLE, Action, Conflict, JsonValue, Outcome, Remote, Row, Values, key_of
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.recording import Work
from gazelle_sync.push.store import Store
from gazelle_sync.push.text import same_text
from gazelle_sync.push.transports.protocol import Create, Read, Sent, Update, Wanted
from gazelle_sync.push.wave import ROUNDS, Wave
from gazelle_sync.warehouse.connect import Connection

WAVE = 50
"""Rows of which something is put back together."""

NOTHING_DONE = Message(
    "Run {run_id} changed nothing at Gazelle{of} that could be put back. The column run_id of sync_gazelle_logs names "
    "the runs that did."
)


class Undo(Wave):
    """Takes back what one run did."""

    _history: Sequence[Logged] = ()
    """What actions that are still at Gazelle said of the records."""
    _due: Collection[int] = ()
    """Rows of the log that are taken back, now or later: what a text brought along goes after the text."""
    _deeds: Mapping[tuple[int, ...], Deed] = MappingProxyType({})
    """By the rows of the log that they were."""

    def undo(self, run_id: str, keys: list[str] | None, *, waiting: Collection[str] = ()) -> list[Outcome]:
        """Take back everything that a run did.

        Args:
            run_id: Of that run.
            keys: Only these records; None: all.
            waiting: Records of which something is in doubt: they are left for later.

        Raises:
            RunAborted: Gazelle cannot be asked.
        """
        found = deeds(self.store.done_by(run_id, keys=keys), self.pushable)
        self._deeds = {tuple(deed.ids): deed for deed in found}
        self._due = {log_id for deed in found for log_id in deed.ids}
        works: dict[tuple[str, str], Work] = {}
        for stage in range(3):
            for deed in found:
                record, local_id = deed.last.record, deed.last.local_id
                if record not in waiting and self._stage(deed) == stage:
                    row = Row(record, {}, datetime.now(UTC), local_id=local_id)
                    works.setdefault((record, local_id), Work.of(row)).deeds.append(deed)
            left = [work for work in works.values() if work.deeds and WHOLE not in work.outcome.failed]
            for start in range(0, len(left), WAVE):
                self._take_back(left[start : start + WAVE])
        return [work.outcome for work in works.values()]

    def resolve(self, opens: Sequence[Logged]) -> list[Outcome]:
        """See `Wave`. Also what an undo left behind."""
        undone = {one.id: one.payload.get("undoes") or [] for one in opens if one.name.startswith(UNDO)}
        if undone:
            done = self.store.done_by(ids=[log_id for ids in undone.values() for log_id in ids])
            each = [deeds([one for one in done if one.id in ids], self.pushable) for ids in undone.values()]
            self._deeds = {tuple(ids): found[0] for ids, found in zip(undone.values(), each, strict=True) if found}
            self._history = self.store.history([deed.last.record for deed in self._deeds.values()])
        return super().resolve(opens)

    def _stage(self, deed: Deed) -> int:
        """Texts go first, then what stands at Gazelle because of them, and last the records themselves."""
        return 2 if deed.makes_record else int(deed.last.name in self.pushable.dependents)

    def _take_back(self, works: Sequence[Work]) -> None:
        self._history = self.store.history([work.row.key for work in works])
        parents = self._parents(works)
        for work in works:
            work.is_over = False
            for deed in list(work.deeds):
                stays = "stays_with_text" if self._stays(deed) else None
                if why := "has_children" if deed.last.local_id in parents else stays:
                    work.deeds.remove(deed)
                    self._tell(work, deed, why)
        self._read([work for work in works if work.deeds])
        self._rounds(works)
        self._flush(works)

    # ---- the steps of a wave, as an undo takes them

    def _wanted(self, work: Work) -> Wanted:
        instants = [deed.since for deed in work.deeds if deed.since]
        return Wanted(work.row.key, min(instants, default=None))

    def _take_in(self, work: Work, read: Read) -> None:
        if read is None:
            for deed in [deed for deed in work.deeds if deed.makes_record]:
                work.deeds.remove(deed)
                self._note_gone(work, deed)
        if read is not None or work.deeds:
            super()._take_in(work, read)

    def _plan(self, works: Sequence[Work]) -> None:
        self._flush(works)
        self._read([work for work in works if work.is_unsure and work.deeds])
        for work in works:
            self._alone(work, self._plan_one)

    def _plan_one(self, work: Work) -> None:
        """What is to be sent to put a row's deeds back; what needs no request is taken down."""
        work.needs_plan = work.was_overtaken = False
        work.queue = []
        for deed in list(work.deeds):
            inverse, operation = inverse_of(deed, work.compared, self.pushable), deed.operation
            if inverse.left is not None:
                self._tell(work, deed, inverse.left)
            if inverse.payload is None or (
                isinstance(operation, Update) and operation.has(work.current, inverse.payload)
            ):
                work.deeds.remove(deed)
                if inverse.is_undone and deed in work.overtaken:
                    work.undone.append((deed, work.current))
                elif inverse.is_undone:
                    self._note_gone(work, deed)
                continue
            payload = {**inverse.payload, "undoes": deed.ids, "is_undone": inverse.is_undone}
            identity = (UNDO, *deed.ids, self.store.run_id)
            work.queue.append(
                Action(UNDO + deed.last.name, deed.last.field, payload, {}, identity, shown=inverse.shown)
            )

    def _confirm(self, work: Work, intent: Intent, sent: Sent) -> None:
        action, deed, operation = intent.action, self._deed(intent), self.operation(intent.action)
        if deed is None:
            super()._confirm(work, intent, sent)
            return
        before = self._take_answer(work, operation, sent) if isinstance(operation, Update) else None
        reason = say(self.language, "arrived") if "found" in sent.response else None
        work.changes.end(intent.log_id, "success", reason, response=sent.response, before=before)
        if work.was_overtaken and deed.is_update:  # it is compared with the edit that was replaced
            work.overtaken.append(deed)
            return
        work.deeds = [one for one in work.deeds if one is not deed]
        work.outcome.sent.append(action)
        if action.payload.get("is_undone", True):  # not where a part of it was left alone
            work.undone.append((deed, work.current))

    def _found(self, work: Work, intent: Intent, read: Remote | None) -> str | None:
        """See `Wave`. Of a deletion, "found" means that it is gone."""
        deed = self._deed(intent)
        if deed is None:
            return None if intent.action.name.startswith(UNDO) else super()._found(work, intent, read)
        record = deed.last.record
        if read is None:
            return record if deed.makes_record else None
        if isinstance(deed.operation, Create):
            return record if inverse_of(deed, read, self.pushable).left == "gone" else None
        return super()._found(work, intent, read)

    def _place(self, work: Work) -> Wanted:
        place = super()._place(work)
        since = [place.since, *(deed.since for intent in work.doubts if (deed := self._deed(intent)))]
        return replace(place, since=min((instant for instant in since if instant), default=None))

    def _deed(self, intent: Intent) -> Deed | None:
        return self._deeds.get(tuple(intent.action.payload.get("undoes") or ()))

    def _flush(self, works: Sequence[Work]) -> Written:
        """Write down what is known; rows follow what was put back, and are compared anew where somebody edits them."""
        undone = {work: work.undone for work in works if work.undone}
        for work, each in undone.items():
            work.undone = []
            for deed, _ in each:
                self._take_note_of(work, deed)
        first: Written | None = None
        for attempt in range(ROUNDS):
            rows = (
                {row.local_id: row for row in self.store.load([work.row.local_id for work in undone])} if undone else {}
            )
            for work, each in undone.items():
                self._follow(work, each, rows.get(work.row.local_id), may_follow=attempt < ROUNDS - 1)
            following = [work for work in undone if work.changes.follow.values]
            written = super()._flush(list(works) if first is None else list(undone))
            first = first or written
            for work in following:
                work.outcome.followed = {}
            done = written.followed | written.refused.keys()
            undone = {work: undone[work] for work in following if work.row.local_id not in done}
            if not undone:
                break
        return first or Written()

    # ---- what is left alone

    def _parents(self, works: Sequence[Work]) -> set[str]:
        """Rows whose records were made, and under which others were made that are still there."""
        made = [work.row.local_id for work in works if any(deed.makes_record for deed in work.deeds)]
        found: set[str] = set()
        for child in PUSHABLES:
            if made and child.parent is not None and child.parent[0] == self.pushable.table:
                found |= Store(self.store.connection, child).parents(made)
        return found

    def _stays(self, deed: Deed) -> bool:
        """Whether the text because of which it was sent is still at Gazelle, as far as the log knows."""
        done = deed.last

        def said(fact: str, *, is_any: bool = False) -> Said | None:
            """What is still at Gazelle of a fact, of what came before an action, or of anything."""
            return said_of(self._history, done.record, fact, before_id=None if is_any else done.id)

        return any(
            one.stays(done.name, done.base_updates, said) for one in self.pushable.fields if hasattr(one, "stays")
        )

    def _tell(self, work: Work, deed: Deed, why: str) -> None:
        """Tell what is left alone, and keep it in the log."""
        named = self.pushable.action_name(self.language, deed.last.name)
        reason = say(self.language, why, action=named, run=deed.last.later_run or "")
        told = work.outcome.failed if why in ("by_hand", "no_deletion") else work.outcome.left
        if told.setdefault(f"{deed.last.name} {deed.last.field}", reason) is reason:
            work.changes.note(UNDO + deed.last.name, deed.last.field, "skipped", reason)
            if why == "changed_since" and deed.is_update:
                work.changes.add("look_again")

    def _note_gone(self, work: Work, deed: Deed) -> None:
        """Others took it back already. A create is gone; what an update wrote over is compared by the next push."""
        if deed.is_update:
            self._take_note_of(work, deed)
            work.changes.add("look_again")
        else:
            work.undone.append((deed, Remote(deed.last.record)))

    def _take_note_of(self, work: Work, deed: Deed) -> None:
        for log_id in deed.ids:
            work.changes.add("undone", id=log_id)

    # ---- how rows follow

    def _follow(self, work: Work, undone: Sequence[tuple[Deed, Remote]], row: Row | None, *, may_follow: bool) -> None:
        """What is to be written into a row of which something was put back."""
        changes, base_updates = work.changes, dict[str, JsonValue]()
        but = {log_id for deed, _ in undone for log_id in deed.ids}
        for deed, now in undone:
            if deed.makes_record:
                changes.add("uncreate", record=deed.last.record)
            elif row is not None and row.key == deed.last.record and self.pushable.record_key not in row.faults:
                found, values = self._as_gazelle_has_it(row, deed, now, but)
                base_updates |= found
                changes.follow.values |= values if may_follow else {}  # somebody keeps editing it: it is due
                changes.follow.clashes += [_lost(row, deed, column, value) for column, value in values.items()]
                changes.row = row
        if changes.follow.values:
            changes.follow.base_updates = base_updates
        else:
            changes.base_updates |= base_updates

    def _as_gazelle_has_it(self, row: Row, deed: Deed, now: Remote, but: Collection[int]) -> tuple[Values, Values]:
        """What becomes base, and the columns that follow.

        What is still at Gazelle of a fact was told by another action: the log knows its words.
        """
        base_updates: dict[str, JsonValue] = {}
        if isinstance(deed.operation, Update):
            for one in self.pushable.writing(deed.operation.attribute):
                base_updates |= one.facts_of(row.key, now.get(deed.operation.attribute))
        if not base_updates:  # other actions told before what is there: the newest of those that are still at Gazelle
            base, settled = row.base or {}, _base_updates_of(self.pushable, deed.last)
            facts = [fact for fact, value in settled.items() if base.get(fact) == value]
            base_updates = {fact: said_of(self._history, row.key, fact, but=but) for fact in facts}
        values: dict[str, JsonValue] = {}
        for column, value in base_updates.items():
            if column in self.pushable.columns and _was_sent(row, column, deed, self.pushable):
                follows = _column_value(column, value, self.pushable)
                if not same_text(*(self.pushable.fact_of(column, one) for one in (row.values.get(column), follows))):
                    values[column] = follows
        gone = {*but, *self._due}
        for field in self.pushable.fields:
            if hasattr(field, "said_with"):
                base_updates |= field.said_with(values, lambda fact: said_of(self._history, row.key, fact, but=gone))
        return {fact: value.value if isinstance(value, Said) else value for fact, value in base_updates.items()}, values


def assert_undoable(connection: Connection, run_id: str, keys: list[str] | None) -> None:
    """Refuse what a person mistyped, or asked for twice, before it becomes a push that failed.

    Raises:
        SettingsError: That run did nothing that could be taken back.
    """
    if not any(touched(Store(connection, pushable), run_id, keys) for pushable in PUSHABLES):
        of = gettext(" of {records}", records=", ".join(keys)) if keys else ""
        raise SettingsError(gettext(NOTHING_DONE, run_id=run_id, of=of))


def touched(store: Store, run_id: str, keys: list[str] | None) -> list[str]:
    """External ids of the records that a run changed, or may have changed, and that nobody took back wholly."""
    done = store.done_by(run_id, keys=keys, statuses=("success", "in_doubt"))
    return list(dict.fromkeys(one.record for one in done))


def _lost(row: Row, deed: Deed, column: str, value: JsonValue) -> Conflict:
    ours, theirs = _as_text(row.values.get(column)), _as_text(value)
    return Conflict(column, theirs, ours, theirs, "theirs", key_of("undone", deed.last.id, column))


def _was_sent(row: Row, column: str, deed: Deed, pushable: Pushable) -> bool:
    """Whether the row says in a column what the deed sent, or (for a day) the day that it sent."""
    held = pushable.fact_of(column, row.values.get(column))
    return any(same_text(held, _base_updates_of(pushable, done).get(column)) for done in deed.done)


def _base_updates_of(pushable: Pushable, done: Logged) -> dict[str, JsonValue]:
    """Facts that an action settled, with those that another action had settled for it."""
    settled = dict(done.base_updates)
    for one in pushable.fields:
        if hasattr(one, "base_updates_with"):
            settled |= one.base_updates_with(done.name, done.base_updates)
    return settled


def _column_value(column: str, value: JsonValue, pushable: Pushable) -> JsonValue:
    """What stands in a local column for a fact: a text as it was written, an instant rather than its day."""
    if not isinstance(value, Said):
        return value
    if column in pushable.instants:
        return parse_instant(value.payload.get("created_at")) if value.value else None
    return value.text


def _as_text(value: JsonValue) -> str | None:
    text = value.isoformat() if isinstance(value, datetime) else value
    return None if text is None else str(text)
