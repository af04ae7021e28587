"""`push --undo RUN`: put back what a run changed at Gazelle and nobody has changed since.

Each step is like one of a push: what to do is decided on the record as it is now, an intent is in the log before the
request goes out, and what came of it is written in one transaction with the local row, which follows. An undo that was
killed is found out about by whoever runs next. It goes by GraphQL whatever the transport: REST cannot delete, and does
not tell what a write replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from gazelle_sync.errors import ApiError, CredentialsRefused, RequestRefused, SettingsError, WriteRefused
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.changes import Changes, Intent, Open, as_requested
from gazelle_sync.push.inverse import Deed, Done, deeds, has, has_arrived, inverse_of
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import UNDO, WHOLE, Action, Outcome, Remote, Row
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.transports.protocol import Sending, Sent, Wanted
from gazelle_sync.push.undo_rows import Following, text_of
from gazelle_sync.push.wave import Wave
from gazelle_sync.push.work import RunAborted
from gazelle_sync.warehouse.connect import Connection

ROUNDS = 3
"""How often a record is compared anew because somebody changed it under our hands."""

NOTHING_DONE = Message(
    "Run {run_id} changed nothing at Gazelle{of} that could be put back. The column run_id of sync_gazelle_logs names "
    "the runs that did."
)


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
        self._rows = Following(wave.store)

    def undo(self, run_id: str, keys: Sequence[str] | None, *, waiting: Collection[str] = ()) -> list[Outcome]:
        """Take back everything that a run did.

        Args:
            run_id: Of that run.
            keys: Only these records; None: all.
            waiting: Records of which something is in doubt: they are left for later.

        Raises:
            RunAborted: Gazelle cannot be asked.
        """
        outcomes: dict[str, Outcome] = {}
        for deed in deeds(done_by(self._store.connection, self._pushable, run_id=run_id, keys=keys), self._pushable):
            record = deed.last.record
            outcome = outcomes.setdefault(record, Outcome(record))
            if record in waiting or WHOLE in outcome.failed:
                continue
            try:
                self._take_back(deed, outcome)
            except RequestRefused as error:
                said = error.reason if isinstance(error, WriteRefused) else str(error)
                outcome.failed[_place(deed)] = self._say("refused", deed, reason=said)
        return [outcome for record, outcome in outcomes.items() if record not in waiting]

    def _take_back(self, deed: Deed, outcome: Outcome) -> None:
        if self._stays(deed):
            self._leave(deed, "stays_with_text", outcome)
            return
        compared = current = self._read(deed, outcome)
        for _ in range(ROUNDS):
            if current is None or compared is None:
                return
            inverse = inverse_of(deed, compared, self._pushable)
            if inverse.left is not None:
                self._leave(deed, inverse.left, outcome)
            if inverse.payload is None or (deed.is_update and has(deed, current, inverse.payload)):
                if inverse.is_undone:
                    self._note_gone(deed)
                return
            payload = {**inverse.payload, "undoes": deed.ids}
            identity = (UNDO, *deed.ids, self._run_id)
            action = Action(UNDO + deed.last.name, deed.last.field or "", payload, {}, identity, shown=inverse.shown)
            intent = Intent(action, current)
            sent = self._sent(deed, intent, outcome)
            if sent is None:
                return
            before = current.now(sent.before)
            edited = any(before.get(name) != current.get(name) for name in self._pushable.attributes)
            changes = self._changes(deed)
            changes.end(intent.log_id, "success", response=sent.response, before=before if edited else None)
            current = current.now(sent.after)
            if not edited and inverse.is_undone:
                self._confirm(deed, current, changes)
            else:
                self._store.refuse([changes])
            if not edited:
                outcome.sent.append(action)
                return
            # Somebody's edit slipped in after our read, and our write replaced it: it is compared, and put back.
            compared = before
        outcome.failed[_place(deed)] = say(self._language, "keeps_changing")

    def _sent(self, deed: Deed, intent: Intent, outcome: Outcome) -> Sent | None:
        """Send what puts a deed back: the answer; None where none came, which is told."""
        intents = self._changes(deed)
        intents.intents.append(intent)
        if error := self._store.write([intents]).refused.get(deed.last.local_id):
            raise error
        (result,) = self._wave.transport.send([Sending(intent.action, intent.remote)])
        if isinstance(result, Sent):
            return result
        if isinstance(result, WriteRefused) and not deed.is_update and result.is_missing:
            return Sent()  # gone already is as good
        if not isinstance(result, ApiError):
            raise RunAborted(str(result))
        if isinstance(result, RequestRefused):
            self._failed(deed, intent.log_id, result.reason if isinstance(result, WriteRefused) else str(result))
            raise result
        if isinstance(result, CredentialsRefused) or not may_have_been_taken(result):
            self._failed(deed, intent.log_id, str(result))
            raise RunAborted(str(result)) from result
        self._look(deed, intent, str(result), outcome)
        return None

    def _look(self, deed: Deed, intent: Intent, reason: str, outcome: Outcome) -> None:
        """No answer came: where Gazelle shows that it was done it was; else it stays in doubt, and that is told."""
        doubt = self._say("undo_in_doubt", deed, reason=reason)
        changes = self._changes(deed)
        changes.end(intent.log_id, "in_doubt", doubt, grace_s=self._grace_s)
        self._store.refuse([changes])
        now = self._read(deed, outcome)
        if has_arrived(deed, intent.action.payload, now, self._pushable) and now is not None:
            self._arrived(deed, intent.log_id, now)
            outcome.sent.append(intent.action)
        else:
            outcome.failed[_place(deed)] = doubt

    # ---- what an undo that was killed left behind

    def resolve(self, one: Open, left_s: float) -> str | None:
        """Find out about what an earlier run put back without hearing of it, or say why that has to wait.

        Args:
            one: What was sent.
            left_s: For so long it may still arrive.

        Raises:
            ApiError: Gazelle cannot be asked.
        """
        done = done_by(self._store.connection, self._pushable, ids=one.payload.get("undoes") or [])
        found = deeds(done, self._pushable)
        if found and (now := self._record(found[0])) is not None:
            if has_arrived(found[0], one.payload, now, self._pushable):
                self._arrived(found[0], one.id, now)
                return None
            if left_s > 0:
                return self._say("undo_in_doubt", found[0], reason="")
        changes = Changes(Row(one.record, {}, datetime.now(UTC), local_id=one.local_id))
        changes.end(one.id, "error", say(self._language, "not_put_back"))
        self._store.refuse([changes])
        return None

    # ---- reading

    def _record(self, deed: Deed) -> Remote | None:
        record = deed.last.record
        read = self._wave.ask([wanted := Wanted(record, deed.since)])[wanted]
        if isinstance(read, ApiError):
            raise read
        return read

    def _read(self, deed: Deed, outcome: Outcome) -> Remote | None:
        """The record as it is now; None where there is none, or it cannot be read, which is told.

        Raises:
            RunAborted: Gazelle cannot be asked at all.
        """
        try:
            now = self._record(deed)
        except RequestRefused as error:
            outcome.failed[WHOLE] = say(self._language, "unreachable", reason=str(error))
            return None
        except ApiError as error:
            raise RunAborted(str(error)) from error
        if now is None and deed.makes_record:
            self._note_gone(deed)
        elif now is None:
            outcome.failed[WHOLE] = self._pushable.no_record(self._language, deed.last.record)
        return now

    # ---- writing down

    def _changes(self, deed: Deed) -> Changes:
        return Changes(Row(deed.last.record, {}, datetime.now(UTC), local_id=deed.last.local_id))

    def _stays(self, deed: Deed) -> bool:
        """Whether the text because of which it was sent is still at Gazelle, as far as the log knows."""
        done = deed.last

        def said(fact: str, *, is_any: bool = False) -> tuple[object, str | None] | None:
            """What is still at Gazelle of a fact, of what came before an action, or of anything: value and text."""
            found = self._store.said(done.record, [fact], before_id=None if is_any else done.id).get(fact)
            return None if found is None else (found.value, text_of(found))

        return any(one.stays(done.name, done.settles, said) for one in self._pushable.fields if hasattr(one, "stays"))

    def _leave(self, deed: Deed, why: str, outcome: Outcome) -> None:
        """Tell what is left alone, and keep it in the log."""
        reason = self._say(why, deed, run=deed.last.later_run or "")
        told = outcome.failed if why == "by_hand" else outcome.left
        if told.setdefault(_place(deed), reason) is not reason:
            return
        changes = self._changes(deed)
        changes.note(UNDO + deed.last.name, deed.last.field or "", "skipped", reason)
        changes.looks_again = why == "changed_since" and deed.is_update
        self._store.refuse([changes])

    def _note_gone(self, deed: Deed) -> None:
        """Others took it back already. A create is gone; what an update wrote over is compared by the next push."""
        changes = self._changes(deed)
        if deed.is_update:
            changes.undone, changes.looks_again = deed.ids, True
            self._store.refuse([changes])
        else:
            self._confirm(deed, Remote(deed.last.record), changes)

    def _arrived(self, deed: Deed, log_id: int, now: Remote) -> None:
        changes = self._changes(deed)
        changes.end(log_id, "success", say(self._language, "arrived"))
        self._confirm(deed, now, changes)

    def _confirm(self, deed: Deed, now: Remote, changes: Changes) -> None:
        """The log says that it was taken back, and the local row follows."""
        changes.undone = deed.ids
        self._rows.follow(deed, now, changes)

    def _failed(self, deed: Deed, log_id: int, reason: str) -> None:
        changes = self._changes(deed)
        changes.end(log_id, "error", reason)
        self._store.refuse([changes])

    def _say(self, key: str, deed: Deed, **values: object) -> str:
        said = say(self._language, key, action=self._pushable.action_name(self._language, deed.last.name), **values)
        return said.strip()


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
