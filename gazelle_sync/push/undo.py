"""`push --undo RUN`: put back what a run changed at Gazelle and nobody has changed since.

Each step is like one of a push: what to do is decided on the record as it is now, an intent is in the log before the
request goes out, and what came of it is written in one transaction with the local row, which follows. An undo that was
killed is found out about by whoever runs next. It goes by GraphQL whatever the transport: REST cannot delete, and does
not tell what a write replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from gazelle_sync.errors import ApiError, CredentialsRefused, RequestRefused, SettingsError, WriteRefused
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push import rows
from gazelle_sync.push.fields import Measured, Service
from gazelle_sync.push.inverse import Deed, Done, deeds, has, has_arrived, inverse_of
from gazelle_sync.push.journal import UNDO, Journal, Open, Said, Search, as_requested
from gazelle_sync.push.messages import action_name, say
from gazelle_sync.push.model import Action, Remote
from gazelle_sync.push.pushables import PUSHABLES, Pushable
from gazelle_sync.push.send import RunAborted
from gazelle_sync.push.transports.protocol import Sent, Transport, Wanted
from gazelle_sync.push.undo_rows import Following, text_of
from gazelle_sync.push.work import WHOLE, Outcome, replaced_by, seen
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement

ROUNDS = 3
"""How often a record is compared anew because somebody changed it under our hands."""

NOTHING_DONE = Message(
    "Run {run_id} changed nothing at Gazelle{of} that could be put back. The column run_id of sync_gazelle_logs names "
    "the runs that did."
)


class Undoing:
    """Takes back what one run did.

    Args:
        connection: Autocommit.
        transport: Reads, writes and deletes.
        pushable: Whose table.
        journal: Writes over the same connection.
        run_id: Of the run that takes back.
        language: `en` or `fr`.
        grace_s: How long a request that came to no answer may still be at work at Gazelle.
    """

    def __init__(
        self,
        connection: Connection,
        transport: Transport,
        pushable: Pushable,
        journal: Journal,
        *,
        run_id: str,
        language: str,
        grace_s: float,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._pushable = pushable
        self._journal = journal
        self._run_id = run_id
        self._language = language
        self._grace_s = grace_s
        self._rows = Following(connection, pushable, journal)

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
        for deed in deeds(_done(self._connection, self._pushable, run_id=run_id, keys=keys)):
            record = deed.last.record
            outcome = outcomes.setdefault(record, Outcome(record))
            if record in waiting or WHOLE in outcome.failed:
                continue
            try:
                self._take_back(deed, outcome)
            except WriteRefused as error:
                outcome.failed[_place(deed)] = self._say("refused", deed, reason=error.reason)
            except RequestRefused as error:
                outcome.failed[_place(deed)] = self._say("refused", deed, reason=str(error))
        return [outcome for record, outcome in outcomes.items() if record not in waiting]

    def _take_back(self, deed: Deed, outcome: Outcome) -> None:
        if self._stays_with_its_text(deed):
            self._leave(deed, "stays_with_text", outcome)
            return
        now = self._read(deed, outcome)
        compared = current = now
        for _ in range(ROUNDS):
            if current is None or compared is None:
                return
            inverse = inverse_of(deed, compared, self._pushable.fields)
            if inverse.left is not None:
                self._leave(deed, inverse.left, outcome)
            if inverse.payload is None or (
                deed.is_update and has(current, deed.last.name, next(iter(inverse.payload.values())))
            ):
                if inverse.is_undone:
                    self._note_gone(deed)
                return
            payload = {**inverse.payload, "undoes": deed.ids}
            action = Action(
                UNDO + deed.last.name, deed.last.field or "", payload, {}, (UNDO, *deed.ids, self._run_id),
                shown=inverse.shown,
            )  # fmt: skip
            sent = self._sent(deed, action, current, outcome)
            if sent is None:
                return
            log_id, answer = sent
            replaced = replaced_by(answer, current, "tags", "notes", "last_serviced")
            current = seen(current, answer.after)
            if replaced is None and inverse.is_undone:
                self._confirm(deed, current, log_id, answer)
            else:
                with self._connection.transaction():
                    self._journal.succeeded(log_id, answer.response, before=replaced)
            if replaced is None:
                outcome.sent.append(action)
                return
            # Somebody's edit slipped in after our read, and our write replaced it: it is compared, and put back.
            compared = replaced
        outcome.failed[_place(deed)] = say(self._language, "keeps_changing")

    def _sent(self, deed: Deed, action: Action, now: Remote, outcome: Outcome) -> tuple[int, Sent] | None:
        """Send what puts a deed back: its row in the log and the answer; None where none came, which is told."""
        with self._connection.transaction():
            log_id = self._journal.intent(action, now, Search(), self._grace_s)
        try:
            if deed.is_update:
                return log_id, self._transport.send(replace(action, name=deed.last.name), now)
            self._transport.take_back(deed.last.name, str(action.payload["id"]))
        except WriteRefused as error:
            if not deed.is_update and error.is_missing:
                return log_id, Sent()  # gone already is as good
            self._failed(log_id, error.reason)
            raise
        except ApiError as error:
            if isinstance(error, RequestRefused):
                self._failed(log_id, str(error))
                raise
            if isinstance(error, CredentialsRefused) or not may_have_been_taken(error):
                self._failed(log_id, str(error))
                raise RunAborted(str(error)) from error
            self._look(deed, action, log_id, str(error), outcome)
            return None
        return log_id, Sent()

    def _look(self, deed: Deed, action: Action, log_id: int, reason: str, outcome: Outcome) -> None:
        """No answer came: where Gazelle shows that it was done it was; else it stays in doubt, and that is told."""
        doubt = self._say("undo_in_doubt", deed, reason=reason)
        with self._connection.transaction():
            self._journal.doubted(log_id, doubt, self._grace_s)
        now = self._read(deed, outcome)
        if has_arrived(deed, action.payload, now, self._pushable.fields) and now is not None:
            self._confirm(deed, now, log_id, None, say(self._language, "arrived"))
            outcome.sent.append(action)
        else:
            outcome.failed[_place(deed)] = doubt

    # ---- what an undo that was killed left behind

    def resolve(self, one: Open) -> str | None:
        """Find out about what an earlier run put back without hearing of it, or say why that has to wait.

        Raises:
            ApiError: Gazelle cannot be asked.
        """
        found = deeds(_done(self._connection, self._pushable, ids=one.payload.get("undoes") or []))
        now = None
        if found and (now := self._record(found[0])) is not None:
            if has_arrived(found[0], one.payload, now, self._pushable.fields):
                self._confirm(found[0], now, one.id, None, say(self._language, "arrived"))
                return None
            if one.wait_s > 0:
                return self._say("undo_in_doubt", found[0], reason="")
        self._failed(one.id, say(self._language, "not_put_back"))
        return None

    # ---- reading

    def _record(self, deed: Deed) -> Remote | None:
        record = deed.last.record
        read = self._transport.read([Wanted(record, deed.since)])[record]
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
        if now is None:
            outcome.failed[WHOLE] = say(self._language, "no_record", id=deed.last.record)
        return now

    # ---- writing down

    def _stays_with_its_text(self, deed: Deed) -> bool:
        """Whether the text because of which it was sent is still at Gazelle, as far as the log knows."""
        done, fields = deed.last, self._pushable.fields
        if done.name == "set_serviced":
            # A later run's work of the same day needed no other entry of that day.
            days = [self._said(done, one.done_at, is_any=True) for one in fields if isinstance(one, Service)]
            return any(day is not None and day.value == done.settles.get("serviced") for day in days)
        if done.name != "add_measurement":
            return False
        for one in fields:
            if not isinstance(one, Measured):
                continue
            for column in one.columns:
                agreed, said = done.settles.get(f"readings.{column}"), self._said(done, column)
                if agreed and said is not None and one.stands_in(text_of(said), agreed):
                    return True
        return False

    def _said(self, done: Done, fact: str, *, is_any: bool = False) -> Said | None:
        """What is still at Gazelle of a fact, of what came before an action, or of anything."""
        return self._journal.said(done.record, [fact], before_id=None if is_any else done.id).get(fact)

    def _leave(self, deed: Deed, why: str, outcome: Outcome) -> None:
        """Tell what is left alone, and keep it in the log."""
        reason = self._say(why, deed, run=deed.last.later_run or "")
        told = outcome.failed if why == "by_hand" else outcome.left
        if told.setdefault(_place(deed), reason) is not reason:
            return
        with self._connection.transaction():
            self._journal.note(deed.last.record, UNDO + deed.last.name, deed.last.field or "", "skipped", reason)
            if why == "changed_since" and deed.is_update:
                rows.look_again(self._connection, self._pushable, deed.last.record)

    def _note_gone(self, deed: Deed) -> None:
        """Others took it back already. A create is gone; what an update wrote over is compared by the next push."""
        with self._connection.transaction():
            self._connection.execute(statement("push/log_undone"), {"ids": deed.ids})
            if deed.is_update:
                rows.look_again(self._connection, self._pushable, deed.last.record)
            else:
                self._rows.follow(deed, Remote(deed.last.record))

    def _confirm(
        self, deed: Deed, now: Remote, log_id: int | None, answer: Sent | None, reason: str | None = None
    ) -> None:
        """The log says that it was taken back, and the local row follows."""
        with self._connection.transaction():
            if log_id is not None:
                self._journal.succeeded(log_id, answer.response if answer else None, reason)
            self._connection.execute(statement("push/log_undone"), {"ids": deed.ids})
            self._rows.follow(deed, now)

    def _failed(self, log_id: int, reason: str) -> None:
        with self._connection.transaction():
            self._journal.failed(log_id, reason)

    def _say(self, key: str, deed: Deed, **values: object) -> str:
        said = say(self._language, key, action=action_name(self._language, deed.last.name), **values)
        return said.strip()


def assert_undoable(settings: Settings, run_id: str, keys: Sequence[str] | None = None) -> None:
    """Refuse what a person mistyped, or asked for twice, before it becomes a push that failed.

    Raises:
        SettingsError: That run did nothing that could be taken back.
        DatabaseError: The database cannot be asked.
    """
    with database_errors(), connect(str(settings.database_url)) as connection:
        if not any(touched(connection, pushable, run_id, keys) for pushable in PUSHABLES):
            of = gettext(" of {records}", records=", ".join(keys)) if keys else ""
            raise SettingsError(gettext(NOTHING_DONE, run_id=run_id, of=of))


def touched(connection: Connection, pushable: Pushable, run_id: str, keys: Sequence[str] | None) -> list[str]:
    """External ids of the records that a run changed, or may have changed, and that nobody took back wholly."""
    done = _done(connection, pushable, run_id=run_id, keys=keys, statuses=("success", "in_doubt"))
    return list(dict.fromkeys(one.record for one in done))


def _done(
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
        "run_id": run_id, "entity": pushable.entity.name, "statuses": list(statuses),
        "ids": list(ids) if ids is not None else None, "keys": list(keys) if keys is not None else None,
    }  # fmt: skip
    return [
        Done(log_id, record, name, field, *as_requested(request), response or {}, before or {}, later_run)
        for log_id, record, name, field, request, response, before, later_run in connection.execute(
            statement("push/of_run"), given
        )
    ]


def _place(deed: Deed) -> str:
    return f"{deed.last.name} {deed.last.field}"
