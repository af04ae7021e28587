"""`push --undo RUN`: put back what a run changed at Gazelle and nobody has changed since.

It goes in waves, like a push: records are read, what to do is decided on them as they are now, intents are in the log
before the document goes out, and what came of them is written in one transaction with the local rows, which follow. An
undo that was killed is found out about by whoever runs next. It goes by GraphQL whatever the transport: REST cannot
delete, and does not tell what a write replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gazelle_sync.errors import ApiError, RequestRefused, SettingsError, WriteRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.changes import Changes, History, Intent, Open, as_requested
from gazelle_sync.push.inverse import Deed, Done, deeds, has, has_arrived, inverse_of
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import UNDO, WHOLE, Action, Outcome, Remote, Row, Values
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.store import Store
from gazelle_sync.push.transports.graphql import ends_run
from gazelle_sync.push.transports.protocol import NotSent, Read, Result, Sending, Sent, Wanted
from gazelle_sync.push.undo_rows import Follower, follow, text_of
from gazelle_sync.push.wave import Wave
from gazelle_sync.push.work import RunAborted, Work
from gazelle_sync.warehouse.connect import Connection

WAVE = 50
"""Rows of which something is put back together."""
ROUNDS = 3
"""How often a record is compared anew because somebody changed it between reading and writing."""

NOTHING_DONE = Message(
    "Run {run_id} changed nothing at Gazelle{of} that could be put back. The column run_id of sync_gazelle_logs names "
    "the runs that did."
)


@dataclass
class Undo:
    """A row of which something is put back.

    Attributes:
        work: The row, its record as it is compared and as it is now, and what came of it.
        left: What is still to be put back.
        undone: What was, and is not written down yet.
        overtaken: What was put back while somebody edited the record: it is compared with that once more.
        doubts: What came to no answer.
    """

    work: Work
    left: list[Deed]
    undone: list[tuple[Deed, Remote]] = field(default_factory=list)
    overtaken: list[Deed] = field(default_factory=list)
    doubts: list[tuple[Deed, Intent, str]] = field(default_factory=list)


class Undoing:
    """Takes back what one run did.

    Args:
        wave: Reads and writes about one table.
        run_id: Of the run that takes back.
        language: `en` or `fr`.
        grace_s: How long a request that came to no answer may still be at work at Gazelle.
    """

    def __init__(self, wave: Wave, *, run_id: str, language: str, grace_s: float) -> None:
        self._wave = wave
        self._store = wave.store
        self._pushable = wave.pushable
        self._run_id = run_id
        self._language = language
        self._grace_s = grace_s
        self._history = History(())
        self._due: set[int] = set()

    def undo(self, run_id: str, keys: Sequence[str] | None, *, waiting: Collection[str] = ()) -> list[Outcome]:
        """Take back everything that a run did.

        Args:
            run_id: Of that run.
            keys: Only these records; None: all.
            waiting: Records of which something is in doubt: they are left for later.

        Raises:
            RunAborted: Gazelle cannot be asked.
        """
        found = deeds(done_by(self._store.connection, self._pushable, run_id=run_id, keys=keys), self._pushable)
        self._due = {log_id for deed in found for log_id in deed.ids}
        works: dict[tuple[str, str], Work] = {}
        for stage in range(3):
            rows: dict[tuple[str, str], list[Deed]] = {}
            for deed in found:
                if deed.last.record not in waiting and self._stage(deed) == stage:
                    rows.setdefault((deed.last.record, deed.last.local_id), []).append(deed)
            undos = []
            for (record, local_id), each in rows.items():
                row = Row(record, {}, datetime.now(UTC), local_id=local_id)
                undos.append(Undo(works.setdefault((record, local_id), Work.of(row)), each))
            for start in range(0, len(undos), WAVE):
                self._take_back(undos[start : start + WAVE])
        return [work.outcome for work in works.values()]

    def _stage(self, deed: Deed) -> int:
        """Texts go first, then what stands at Gazelle because of them, and last the records themselves."""
        return 2 if deed.makes_record else int(deed.last.name in self._pushable.dependents)

    def _take_back(self, undos: Sequence[Undo]) -> None:
        undos = [one for one in undos if WHOLE not in one.work.outcome.failed]
        self._history = self._store.history([one.work.row.key for one in undos])
        parents = self._parents(undos)
        for one in undos:
            for deed in list(one.left):
                if deed.last.local_id in parents:
                    self._leave(one, deed, "has_children")
                elif self._stays(deed):
                    self._leave(one, deed, "stays_with_text")
        self._read(undos)
        if any(self._send_round(undos) for _ in range(ROUNDS)):
            return
        for one in undos:
            for deed in () if one.work.is_over else one.left:
                one.work.outcome.failed[_place(deed)] = say(self._language, "keeps_changing")

    def _send_round(self, undos: Sequence[Undo]) -> bool:
        """Send what is left to be put back; whether nothing was."""
        batch = [(one, deed, intent) for one in undos for deed, intent in self._intents(one)]
        self._flush(undos)
        batch = [(one, deed, intent) for one, deed, intent in batch if not one.work.is_over]
        if not batch:
            return True
        self._wave.before_send()
        results = self._wave.transport.send([Sending(intent.action, intent.remote) for *_, intent in batch])
        stop = next((result for result in results if isinstance(result, ApiError) and ends_run(result)), None)
        for (one, deed, intent), result in zip(batch, results, strict=True):
            self._judge(one, deed, intent, result, stop)
        self._settle_doubts([one for one in undos if one.doubts])
        self._flush(undos)
        if stop is not None:
            raise RunAborted(str(stop)) from stop
        return False

    def _intents(self, one: Undo) -> Iterator[tuple[Deed, Intent]]:
        """What is to be sent to put a row's deeds back; what needs no request is taken down."""
        work = one.work
        work.was_overtaken = False
        for deed in list(one.left):
            inverse = inverse_of(deed, work.compared, self._pushable)
            if inverse.left is not None:
                self._tell(one, deed, inverse.left)
            if inverse.payload is None or (deed.is_update and has(deed, work.current, inverse.payload)):
                one.left.remove(deed)
                if inverse.is_undone and deed in one.overtaken:
                    one.undone.append((deed, work.current))
                elif inverse.is_undone:
                    self._note_gone(one, deed)
                continue
            payload = {**inverse.payload, "undoes": deed.ids, "is_undone": inverse.is_undone}
            identity = (UNDO, *deed.ids, self._run_id)
            action = Action(UNDO + deed.last.name, deed.last.field or "", payload, {}, identity, shown=inverse.shown)
            intent = Intent(action, work.current)
            work.changes.intents.append(intent)
            yield deed, intent

    def _judge(self, one: Undo, deed: Deed, intent: Intent, result: Result, stop: ApiError | None) -> None:
        """Take down what came of putting a deed back."""
        changes = one.work.changes
        if isinstance(result, WriteRefused) and not deed.is_update and result.is_missing:
            result = Sent()  # gone already is as good
        if isinstance(result, Sent):
            self._sent(one, deed, intent, result)
            return
        if isinstance(result, NotSent) or (not isinstance(result, RequestRefused) and ends_run(result)):
            changes.end(intent.log_id, "error", str(stop or result))
            return
        one.left.remove(deed)
        if isinstance(result, RequestRefused):
            said = result.reason if isinstance(result, WriteRefused) else str(result)
            changes.end(intent.log_id, "error", said)
            one.work.outcome.failed[_place(deed)] = self._say("refused", deed, reason=said)
        else:
            one.doubts.append((deed, intent, str(result)))

    def _sent(self, one: Undo, deed: Deed, intent: Intent, sent: Sent) -> None:
        work = one.work
        before = work.current.now(sent.before)
        edited = {
            name: before.get(name) for name in self._pushable.attributes if before.get(name) != work.current.get(name)
        }
        work.current = before.now(sent.after)
        if edited:  # somebody's edit, made after our read, was replaced: it is compared, and put back
            work.compared = replace(work.compared, values={**work.compared.values, **edited})
            work.was_overtaken = True
        work.changes.end(intent.log_id, "success", response=sent.response, before=before if edited else None)
        if work.was_overtaken and deed.is_update:
            one.overtaken.append(deed)
            return
        one.left.remove(deed)
        work.outcome.sent.append(intent.action)
        self._confirm(one, deed, intent.action.payload, work.current)

    def _settle_doubts(self, undos: Sequence[Undo]) -> None:
        """No answer came: where Gazelle shows that it was done it was; else it stays in doubt, and that is told."""
        if not undos:
            return
        for one in undos:
            for deed, intent, reason in one.doubts:
                doubt = self._say("undo_in_doubt", deed, reason=reason)
                one.work.changes.end(intent.log_id, "in_doubt", doubt, grace_s=self._grace_s)
        self._flush(undos)
        wanted = {id(one): self._wanted([deed for deed, *_ in one.doubts]) for one in undos}
        reads = self._wave.ask(list(wanted.values()))
        for one in undos:
            now = reads[wanted[id(one)]]
            for deed, intent, reason in one.doubts:
                if not isinstance(now, ApiError) and self._has_arrived(deed, intent.action.payload, now):
                    self._arrived(one, deed, intent.log_id, intent.action.payload, now)
                    one.work.outcome.sent.append(intent.action)
                else:
                    one.work.outcome.failed[_place(deed)] = self._say("undo_in_doubt", deed, reason=reason)
            one.doubts.clear()

    # ---- what an undo that was killed left behind

    def resolve(self, open_: Open, left_s: float) -> str | None:
        """Find out about what an earlier run put back without hearing of it, or say why that has to wait.

        Args:
            open_: What was sent.
            left_s: For so long it may still arrive.

        Raises:
            ApiError: Gazelle cannot be asked.
        """
        done = done_by(self._store.connection, self._pushable, ids=open_.payload.get("undoes") or [])
        one = Undo(Work.of(Row(open_.record, {}, datetime.now(UTC), local_id=open_.local_id)), [])
        for deed in deeds(done, self._pushable)[:1]:
            wanted = self._wanted([deed])
            now = self._wave.ask([wanted])[wanted]
            if isinstance(now, ApiError):
                raise now
            if self._has_arrived(deed, open_.payload, now):
                self._history = self._store.history([deed.last.record])
                self._arrived(one, deed, open_.id, open_.payload, now)
            elif left_s > 0 and now is not None:
                return self._say("undo_in_doubt", deed, reason="")
        if not one.work.changes.ends:
            one.work.changes.end(open_.id, "error", say(self._language, "not_put_back"))
        self._flush([one])
        return None

    def _has_arrived(self, deed: Deed, payload: Values, now: Remote | None) -> bool:
        if now is None:
            return deed.makes_record
        return has_arrived(deed, payload, now, self._pushable)

    # ---- reading

    def _wanted(self, found: Sequence[Deed]) -> Wanted:
        return Wanted(found[0].last.record, min((one.since for one in found if one.since), default=None))

    def _read(self, undos: Sequence[Undo]) -> None:
        """The records as they are now; where there is none, or it cannot be read, that is told.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        wanted = {id(one): self._wanted(one.left) for one in undos if one.left}
        reads = self._wave.ask(list(wanted.values()))
        for one in undos:
            if one.left:
                self._take_in(one, reads[wanted[id(one)]])

    def _take_in(self, one: Undo, read: Read) -> None:
        work = one.work
        if isinstance(read, Remote):
            work.compared = work.current = read
            return
        for deed in one.left:
            if read is None and deed.makes_record:
                self._note_gone(one, deed)
            else:
                work.outcome.failed[WHOLE] = self._wave.unreadable(work.row.key, read)
        one.left.clear()

    def _parents(self, undos: Sequence[Undo]) -> set[str]:
        """Rows whose records were made, and under which others were made that are still there."""
        made = [one.work.row.local_id for one in undos if any(deed.makes_record for deed in one.left)]
        found: set[str] = set()
        for child in PUSHABLES:
            if made and child.parent is not None and child.parent[0] == self._pushable.table:
                found |= Store(self._store.connection, child).parents(made)
        return found

    def _stays(self, deed: Deed) -> bool:
        """Whether the text because of which it was sent is still at Gazelle, as far as the log knows."""
        done = deed.last

        def said(fact: str, *, is_any: bool = False) -> tuple[object, str | None] | None:
            """What is still at Gazelle of a fact, of what came before an action, or of anything: value and text."""
            found = self._history.said(done.record, fact, before_id=None if is_any else done.id)
            return None if found is None else (found.value, text_of(found))

        return any(one.stays(done.name, done.settles, said) for one in self._pushable.fields if hasattr(one, "stays"))

    # ---- writing down

    def _leave(self, one: Undo, deed: Deed, why: str) -> None:
        one.left.remove(deed)
        self._tell(one, deed, why)

    def _tell(self, one: Undo, deed: Deed, why: str) -> None:
        """Tell what is left alone, and keep it in the log."""
        reason = self._say(why, deed, run=deed.last.later_run or "")
        outcome, changes = one.work.outcome, one.work.changes
        told = outcome.failed if why in ("by_hand", "no_deletion") else outcome.left
        if told.setdefault(_place(deed), reason) is reason:
            changes.note(UNDO + deed.last.name, deed.last.field or "", "skipped", reason)
            changes.looks_again = changes.looks_again or (why == "changed_since" and deed.is_update)

    def _note_gone(self, one: Undo, deed: Deed) -> None:
        """Others took it back already. A create is gone; what an update wrote over is compared by the next push."""
        if deed.is_update:
            one.work.changes.undone += deed.ids
            one.work.changes.looks_again = True
        else:
            one.undone.append((deed, Remote(deed.last.record)))

    def _arrived(self, one: Undo, deed: Deed, log_id: int, payload: Values, now: Remote | None) -> None:
        one.work.changes.end(log_id, "success", say(self._language, "arrived"))
        self._confirm(one, deed, payload, now or Remote(deed.last.record))

    def _confirm(self, one: Undo, deed: Deed, payload: Values, now: Remote) -> None:
        if payload.get("is_undone", True):  # not where a part of it was left alone
            one.undone.append((deed, now))

    def _flush(self, undos: Sequence[Undo]) -> None:
        """Write down what is known; rows follow what was put back."""
        followers = []
        for one in undos:
            one.work.changes.undone += [log_id for deed, _ in one.undone for log_id in deed.ids]
            followers.append(Follower(one.work.changes, one.undone, self._due))
            one.work.changes, one.undone = Changes(one.work.row), []
        refused = follow(self._store, self._history, followers)
        for one in undos:
            if error := refused.get(one.work.row.local_id):
                self._wave.unforeseen(one.work, error)

    def _say(self, key: str, deed: Deed, **values: object) -> str:
        return say(
            self._language, key, action=self._pushable.action_name(self._language, deed.last.name), **values
        ).strip()


def assert_undoable(connection: Connection, run_id: str, keys: Sequence[str] | None) -> None:
    """Refuse what a person mistyped, or asked for twice, before it becomes a push that failed.

    Raises:
        SettingsError: That run did nothing that could be taken back.
    """
    if not any(touched(connection, pushable, run_id, keys) for pushable in PUSHABLES):
        of = gettext(" of {records}", records=", ".join(keys)) if keys else ""
        raise SettingsError(gettext(NOTHING_DONE, run_id=run_id, of=of))


def touched(connection: Connection, pushable: Pushable, run_id: str, keys: Sequence[str] | None) -> list[str]:
    """External ids of the records that a run changed, or may have changed, and that nobody took back wholly."""
    done = done_by(connection, pushable, run_id=run_id, keys=keys, statuses=("success", "in_doubt"))
    return list(dict.fromkeys(one.record for one in done))


def done_by(
    connection: Connection,
    pushable: Pushable,
    *,
    run_id: str | None = None,
    ids: Sequence[int] | None = None,
    keys: Sequence[str] | None = None,
    statuses: Sequence[str] = ("success",),
) -> list[Done]:
    """What a run did, or some rows of the log say, and nobody took back."""
    given = {
        "run_id": run_id, "statuses": list(statuses), "ids": list(ids) if ids is not None else None,
        "keys": list(keys) if keys is not None else None,
    }  # fmt: skip
    return [
        Done(log_id, local_id or record, record, name, field, *as_requested(request), response or {}, before or {}, run)
        for log_id, local_id, record, name, field, request, response, before, run in connection.execute(
            pushable.query("of_run"), given
        )
    ]


def _place(deed: Deed) -> str:
    return f"{deed.last.name} {deed.last.field}"
