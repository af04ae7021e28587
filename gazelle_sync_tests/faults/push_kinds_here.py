"""Faults that a push meets here: people who edit under its hands, the database, the process."""

from __future__ import annotations

import os
import signal
import threading
import time

from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.faults.push_context import AnyContext, PianosContext
from gazelle_sync_tests.faults.push_kinds_documents import SLOW
from gazelle_sync_tests.support.pushing import TABLE, Countdown

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST
LAST_STEP = 70
"""A push of a busy row passes about so many steps."""

# ---- people here


def _edited(moment: str) -> Strike:
    def strike(context: AnyContext) -> None:
        context.was_edited = True
        with context.hooked(**{moment: context.once_a_record(context.editor.edit_here, chance=0.4)}):
            context.push()

    return strike


def _edited_in_doubt(context: AnyContext) -> None:
    """The answer is lost, nobody can look, and the row says something else by the next push."""
    context.shop.admin.fault("close_after", times=2, operation=context.draw.choice(context.editor.creates))
    context.shop.admin.fault("status", times=0, code=503, operation="PushEntries")
    context.push()
    context.editor.look()
    context.editor.edit_every()
    context.shop.admin.clear_faults()
    context.push()


def _unknown_status(context: PianosContext) -> None:
    piano = context.draw.choice(context.editor.living)
    row = context.editor.row(piano) or {}
    context.editor.clashes.pop(piano, None)  # the edit that follows is another one
    context.was_edited = True  # somebody corrects it before anybody looks
    context.office.edit(piano, status="cassé")
    context.finally_do(lambda: context.office.edit(piano, status=row.get("status") or "normal"))
    context.held = True
    context.push()


def _hidden(context: PianosContext) -> None:
    """A hidden row stays here; shown again, it goes."""
    piano = context.draw.choice(context.editor.living)
    before = context.editor.comments()[piano]
    context.was_edited = True  # it is shown again before anybody looks
    context.office.edit(piano, is_hidden=True, **context.editor.entries(piano))
    context.push()
    if context.editor.comments()[piano] != before:
        raise AssertionError("a hidden row was sent")
    context.finally_do(lambda: context.office.edit(piano, is_hidden=False))


def _emptied(context: PianosContext) -> None:
    """Somebody empties a row, and somebody else makes one that says nothing."""
    piano = context.draw.choice(context.editor.living)
    context.editor.clashes.pop(piano, None)  # the edit that follows is another one
    context.office.edit(piano, status=None, notes=None, observations=None, travail=None, a_faire=None)
    context.editor.look()  # what the row said before was withdrawn here: it is not what gives way to Gazelle's
    context.office.edit(context.office.piano(len(context.editor.pianos)), notes=None)
    context.push()


def _removed(context: PianosContext) -> None:
    """The row goes while its push is under way, and comes back with the same words."""
    piano = context.draw.choice(context.editor.living)
    context.editor.clashes.pop(piano, None)  # what both sides agreed on goes with the row
    row = context.editor.row(piano) or {}
    values = {name: row.get(name) for name in ("status", "notes", "observations", "travail", "completed_at")}

    def remove(one: str) -> None:
        if one == piano:
            context.shop.query(f"DELETE FROM {TABLE} WHERE gazelle_id = %s", piano)  # noqa: S608

    context.was_edited = True
    deed = context.once_a_record(remove, chance=0.5)
    with context.hooked(after_read=deed, before_send=deed, after_send=deed):
        context.push()
    if context.draw.random() < 0.5:
        context.office.edit(piano, **values)
        context.push()


def _made_anew(context: PianosContext) -> None:
    """The row is deleted and inserted again, with other words, while its push is under way."""
    piano = context.draw.choice(context.editor.living)
    context.editor.edit_here(piano)
    context.editor.clashes.pop(piano, None)  # what both sides agreed on goes with the row

    def replace_row(one: str) -> None:
        if one == piano:
            context.shop.query(f"DELETE FROM {TABLE} WHERE gazelle_id = %s", piano)  # noqa: S608
            context.editor.edit_here(piano)

    context.was_edited = True
    deed = context.once_a_record(replace_row, chance=0.5)
    with context.hooked(after_read=deed, before_send=deed, after_send=deed):
        context.push()


EDITED_HERE = (
    Kind("edited while read", "shop", "the row is edited once its record is read", _edited("after_read"), HARMLESS),
    Kind(
        "edited while sent", "shop", "the row is edited before a request of its own", _edited("before_send"), HARMLESS
    ),
    Kind("edited once sent", "shop", "the row is edited after a request of its own", _edited("after_send"), HARMLESS),
    Kind("edited in doubt", "shop", "the row is edited while nobody knows of what it made", _edited_in_doubt, HONEST),
)

SHOP = (
    Kind("unknown status", "shop", "a status that is none", _unknown_status, SAID, "status|statut"),
    Kind("hidden", "shop", "a row that stays here for a while", _hidden, HONEST),
    Kind("empty row", "shop", "a row is emptied, and another says nothing from the first", _emptied, HARMLESS),
    Kind(
        "row made anew",
        "shop",
        "the row is deleted and inserted again, with other words, during its push",
        _made_anew,
        HONEST,
    ),
    Kind("row removed", "shop", "the row goes during its push, and perhaps comes back", _removed, HONEST),
)

# ---- the database

LOCK = "AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"


def _gone_after(which: str = "", *, stays_away: bool = False) -> Strike:
    """The database goes once a request was sent, before its answer could be written down."""

    def strike(context: AnyContext) -> None:
        def gone(_: str) -> None:
            if stays_away:
                context.allow_connections(allowed=False)
                with context.servers.server() as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'a_case'"
                    )
                return
            context.cut(which)

        context.finally_do(lambda: context.allow_connections(allowed=True))
        deed = context.once_a_record(gone, chance=0.5)
        with context.hooked(after_send=deed):
            context.push()

    return strike


def _cut(context: AnyContext) -> None:
    with context.meanwhile(context.cut, within_s=0.2):
        context.push()


def _crash(context: AnyContext) -> None:
    # A copied database's sequences begin again where they stood, unless a checkpoint lies between copy and crash.
    context.shop.query("CHECKPOINT")
    with context.meanwhile(context.servers.crash, within_s=0.2):
        context.push()
    context.servers.wait_until_up()


def _far(context: AnyContext) -> None:
    with context.far_away():
        context.push(rate_per_s=context.draw.choice([0, 10, 20]), timeout_s=10.0)


def _set(*choices: dict[str, str], held: bool = False) -> Strike:
    def strike(context: AnyContext) -> None:
        context.held = held
        context.set_database(**context.draw.choice(choices))
        context.push()

    return strike


DATABASE = (
    Kind("gone after a request", "database", "every session is ended once a request was sent", _gone_after(), HONEST),
    Kind("stays away", "database", "the same, and no new session is let in", _gone_after(stays_away=True), HONEST),
    Kind("lock cut", "database", "the session that holds the push's lock is ended", _gone_after(LOCK), HONEST),
    Kind("connections cut", "database", "every session is ended at some moment", _cut, HONEST),
    Kind("far away", "database", "it is 20 to 80 ms away", _far, HARMLESS),
    Kind("server crash", "database", "a process of the server is killed; it recovers", _crash, HONEST),
    Kind("read-only", "database", "no transaction may write", _set({"default_transaction_read_only": "on"}, held=True),
         SAID, "read-only"),
    Kind("statement timeout", "database", "statements are cut off after some milliseconds",
         _set(*({"statement_timeout": f"{ms}ms"} for ms in (1, 2, 3, 5, 8))), HONEST),
    Kind("odd settings", "database", "another DateStyle, time zone, text format",
         _set({"DateStyle": "SQL, DMY", "TimeZone": "Asia/Kolkata"}, {"TimeZone": "America/Toronto"},
              {"IntervalStyle": "sql_standard", "bytea_output": "escape"}, {"client_encoding": "LATIN1"}), HARMLESS),
)  # fmt: skip

# ---- the process


def _killed_at_a_step(times: int = 1) -> Strike:
    def strike(context: AnyContext) -> None:
        for _ in range(times):
            step = context.draw.randint(1, LAST_STEP)
            context.story.append(f"killed at step {step}")
            context.end_process(context.begin_process(Countdown(step)))
            context.editor.look()

    return strike


def _signalled(number: signal.Signals, *, followed: bool = False) -> Strike:
    def strike(context: AnyContext) -> None:
        pid = context.begin_process()
        time.sleep(context.draw.uniform(0.02, 0.3))
        os.kill(pid, number)
        if followed:
            context.push()
        context.end_process(pid)

    return strike


def _killed_in_bad_weather(context: AnyContext) -> None:
    """Answers are lost, and then the process dies as well."""
    context.arm("close_after", may_hold=False)
    context.end_process(context.begin_process(Countdown(context.draw.randint(10, LAST_STEP))))


def _suspended(context: AnyContext) -> None:
    """A machine that sleeps in the middle of a push, while another one begins."""
    pid = context.begin_process()
    time.sleep(context.draw.uniform(0.02, 0.2))
    os.kill(pid, signal.SIGSTOP)
    context.push(lock_wait_s=0.2)
    os.kill(pid, signal.SIGCONT)
    context.end_process(pid)


def _together(context: AnyContext) -> None:
    pids = [context.begin_process() for _ in range(context.draw.randint(1, 2))]
    context.push()
    for pid in pids:
        context.end_process(pid)


def _threads(context: AnyContext) -> None:
    threads = [threading.Thread(target=context.push) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _with_a_pull(context: AnyContext) -> None:
    """A pull reads while a push writes."""
    thread = threading.Thread(target=lambda: context.push(**SLOW))
    thread.start()
    context.shop.sync(only=tuple(dict.fromkeys(("users", "clients", *context.editor.pulled))))
    thread.join()


PROCESS = (
    Kind("killed at a step", "process", "SIGKILL before or after the n-th step", _killed_at_a_step(), HONEST),
    Kind("killed again and again", "process", "three pushes in a row", _killed_at_a_step(3), HONEST),
    Kind("killed", "process", "SIGKILL at a random moment", _signalled(signal.SIGKILL), HONEST),
    Kind("killed and followed", "process", "the next push begins at once", _signalled(signal.SIGKILL, followed=True),
         HONEST),
    Kind("killed in bad weather", "process", "answers are lost, and the process dies", _killed_in_bad_weather, HONEST),
    Kind("terminated", "process", "SIGTERM", _signalled(signal.SIGTERM), HONEST),
    Kind("suspended", "process", "SIGSTOP, another push, SIGCONT", _suspended, HONEST),
    Kind("together", "process", "two or three pushes begin at once", _together, HARMLESS),
    Kind("threads", "process", "two pushes of one process", _threads, HARMLESS),
    Kind("with a pull", "process", "a pull reads while a push writes", _with_a_pull, HARMLESS),
)  # fmt: skip

ANY_HERE = (*EDITED_HERE, *DATABASE, *PROCESS)
"""Whatever is pushed."""
PUSH_HERE = (*ANY_HERE, *SHOP)
