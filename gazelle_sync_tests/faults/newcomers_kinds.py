"""Faults that strike while records are made under others, and while rows are deleted."""

from __future__ import annotations

from gazelle_sync_tests.faults.kinds import Expect, Kind, Kinds, Strike, table
from gazelle_sync_tests.faults.newcomers_editor import ENDING, NewcomersEditor
from gazelle_sync_tests.faults.push_context import PushContext
from gazelle_sync_tests.faults.push_kinds_api import ANY_API, EDITED_THERE
from gazelle_sync_tests.faults.push_kinds_documents import SLOW
from gazelle_sync_tests.faults.push_kinds_here import ANY_HERE
from gazelle_sync_tests.faults.push_kinds_undo import UNDO
from gazelle_sync_tests.support.pushing import Countdown

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST
LAST_STEP = 90
LOSSES = ("close_after", "reset", "html_200")
Context = PushContext[NewcomersEditor]


def _deleted_in_doubt(context: Context) -> None:
    """Nobody knows whether a visit was made, and its row is deleted."""
    editor = context.editor
    editor.work(1)
    context.shop.admin.fault(
        context.draw.choice(["close_after", "reset", "html_200"]), times=2, operation="createEvent("
    )
    context.shop.admin.fault("status", times=0, code=503, operation="PushEntries")
    context.push()
    editor.look()
    context.shop.admin.clear_faults()
    editor.delete_every_visit()
    for _ in range(context.draw.randint(1, 2)):
        context.push(**SLOW)


def _deleted(moment: str) -> Strike:
    """Rows are deleted under the push's hands."""

    def strike(context: Context) -> None:
        context.was_edited = True
        with context.hooked(**{moment: context.once_a_record(lambda _: context.editor.delete_visit(), chance=0.4)}):
            context.push()

    return strike


def _end_unanswered(fault: str) -> Strike:
    def strike(context: Context) -> None:
        context.editor.delete_visit()
        context.shop.admin.fault(fault, times=context.draw.randint(1, 3), operation="cancelEvent(")
        for _ in range(context.draw.randint(1, 2)):
            context.push()

    return strike


def _end_killed(context: Context) -> None:
    context.editor.delete_every_visit()
    context.end_process(context.begin_process(Countdown(context.draw.randint(1, LAST_STEP))))


def _end_refused(context: Context) -> None:
    """Gazelle does not cancel for a while; the other rows go."""
    context.editor.delete_visit()
    context.held = bool(context.shop.rows("push_state", ENDING))
    context.shop.admin.fault(
        "alias_refused", times=0, operation="cancelEvent(", about="evt_", message="Pas aujourd'hui"
    )
    context.push()


def _gone_before_its_end(context: Context) -> None:
    """Somebody deletes the visit at Gazelle as well."""
    if (one := context.editor.delete_there()) is not None:
        context.editor.delete(one)
    context.push()


def _deleted_there(context: Context) -> None:
    """A visit goes at Gazelle, and its row is edited here."""
    one = context.editor.delete_there()
    if one is not None:
        context.editor.say(one)
        context.held = True
    context.push()


def _parent_refused(context: Context) -> None:
    """A client is not taken: what is to be made under it waits, and goes once the client is there."""
    editor = context.editor
    client = editor.new_family()
    context.shop.admin.fault(
        "alias_refused", times=0, operation="createClient(", about=client.word, message="Pas encore"
    )
    context.held = True
    context.push()
    made = [one for one in editor.made if one.parent is client]
    if any(editor.rows(one.table)[one.id]["sync_error"] is None for one in made):
        raise AssertionError("what waits for its client does not say so")


def _parent_unanswered(context: Context) -> None:
    """Nobody knows whether a client was made: nothing is made under it until that is known."""
    context.editor.new_family()
    context.shop.admin.fault(context.draw.choice(LOSSES), times=context.draw.randint(1, 2), operation="createClient(")
    for _ in range(context.draw.randint(1, 2)):
        context.push()


def _twins(context: Context) -> None:
    """Rows that say the same, of which some are made when the connection is cut."""
    context.editor.new_twins()
    context.shop.admin.fault("half_done", operation="createClient(", place=context.draw.randint(0, 3))
    for _ in range(context.draw.randint(1, 2)):
        context.push()


DELETIONS = (
    Kind("deleted in doubt", "shop", "a row is deleted while nobody knows whether its record was made",
         _deleted_in_doubt, HONEST),
    Kind("deleted while read", "shop", "a row is deleted once a record is read", _deleted("after_read"), HARMLESS),
    Kind("deleted while sent", "shop", "a row is deleted before a request", _deleted("before_send"), HARMLESS),
    Kind("deleted once sent", "shop", "a row is deleted after a request", _deleted("after_send"), HARMLESS),
    Kind("end unanswered", "network", "the answer to a cancellation is lost", _end_unanswered("close_after"), HONEST),
    Kind("end reset", "network", "a cancellation is reset, and not taken", _end_unanswered("reset"), HONEST),
    Kind("end killed", "process", "the push of deletions dies before or after the n-th step", _end_killed, HONEST),
    Kind("end refused", "gazelle", "cancellations are refused for a while", _end_refused, SAID, "Impossible"),
    Kind("gone before its end", "gazelle", "the record of a deleted row is gone already", _gone_before_its_end,
         HARMLESS),
    Kind("deleted there", "gazelle", "a record is not at Gazelle any more", _deleted_there, SAID, "Gazelle has no"),
)  # fmt: skip
PARENTS = (
    Kind("parent refused", "graphql", "a client is refused: what is made under it waits", _parent_refused, SAID,
         "Pas encore"),
    Kind("parent unanswered", "network", "the answer to a client's creation is lost", _parent_unanswered, HONEST),
    Kind("twins cut", "graphql", "rows that say the same; half of them are made when the connection is cut", _twins,
         HONEST),
)  # fmt: skip

OWN = (*DELETIONS, *PARENTS)
RECORDS: Kinds = table(*OWN, *ANY_API, *EDITED_THERE, *ANY_HERE, *UNDO)
