"""Faults that strike while visits are made, moved, cancelled, confirmed and completed."""

from __future__ import annotations

from typing import Any

from gazelle_sync_tests.faults.kinds import Expect, Kind, Kinds, Strike, table
from gazelle_sync_tests.faults.push_context import PushContext
from gazelle_sync_tests.faults.push_kinds_api import ANY_API
from gazelle_sync_tests.faults.push_kinds_documents import SLOW
from gazelle_sync_tests.faults.push_kinds_here import ANY_HERE
from gazelle_sync_tests.faults.push_kinds_undo import UNDO
from gazelle_sync_tests.faults.visits_editor import VisitsEditor
from gazelle_sync_tests.support.pushing import Countdown

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST
LAST_STEP = 90
LOSSES = ("close_after", "reset", "html_200")
MUTATIONS = {"move": "updateEvent(", "cancel": "cancelEvent(", "confirm": "confirmEvent(", "complete": "completeEvent("}
Context = PushContext[VisitsEditor]


def _unanswered(action: str) -> Strike:
    """The answer to a change is lost, or the change; perhaps nobody can look at once."""

    def strike(context: Context) -> None:
        draw, editor = context.draw, context.editor
        if sent := editor.sent():
            editor.ask(draw.choice(sent), action)
        else:
            editor.plan()
        context.shop.admin.fault(draw.choice(LOSSES), times=draw.randint(1, 2), operation=MUTATIONS[action])
        if draw.random() < 0.5:
            context.shop.admin.fault("status", times=draw.randint(0, 3), code=503, operation="PushEntries")
        context.push()
        editor.look()
        if draw.random() < 0.5:
            context.shop.admin.clear_faults()
            context.push(**SLOW)

    return strike


def _joint_cut(context: Context) -> None:
    """Half of a joint visit is made, or cancelled, when the connection is cut."""
    draw, editor = context.draw, context.editor
    joint = [visit for visit in editor.sent() if len(visit.drafts) > 1]
    if joint and draw.random() < 0.6:
        editor.ask(joint[0], draw.choice(["move", "cancel"]))
    else:
        editor.plan(2)
    context.shop.admin.fault("half_done", operation="mutation", place=draw.randint(0, 3))
    for _ in range(draw.randint(1, 2)):
        context.push(**SLOW)


def _moved_before(context: Context) -> None:
    """A visit is moved at Gazelle before our move of it goes out: the later wins, the other is told."""
    editor = context.editor
    for visit in editor.sent():
        editor.ask(visit, "move")
        editor.look()
    editor.move_there()
    context.push()


def _moved_after(context: Context) -> None:
    """A visit is moved at Gazelle right after our move of it was taken, before we have its answer."""
    editor = context.editor
    for visit in editor.sent():
        editor.ask(visit, "move")
    done: list[str] = []

    def move(_: str) -> None:
        if not done:
            done.append("")
            editor.move_there()

    with context.hooked(after_send=move):
        context.push()


def _cancelled_in_doubt(context: Context) -> None:
    """Nobody knows whether a visit was made, and it is withdrawn here."""
    editor = context.editor
    visit = editor.plan()
    context.shop.admin.fault(context.draw.choice(LOSSES), times=2, operation="createEvent(")
    context.shop.admin.fault("status", times=0, code=503, operation="PushEntries")
    context.push()
    editor.look()
    context.shop.admin.clear_faults()
    editor.withdraw(visit)
    for _ in range(context.draw.randint(1, 2)):
        context.push(**SLOW)


def _deleted_in_doubt(context: Context) -> None:
    """Nobody knows whether a visit was made, and the rows of it are deleted."""
    editor = context.editor
    editor.plan()
    context.shop.admin.fault(context.draw.choice(LOSSES), times=2, operation="createEvent(")
    context.shop.admin.fault("status", times=0, code=503, operation="PushEntries")
    context.push()
    editor.look()
    context.shop.admin.clear_faults()
    editor.delete()
    for _ in range(context.draw.randint(1, 2)):
        context.push(**SLOW)


def _deleted(moment: str) -> Strike:
    """The rows of a visit are deleted under the push's hands."""

    def strike(context: Context) -> None:
        context.was_edited = True
        context.editor.plan()
        with context.hooked(**{moment: context.once_a_record(context.editor.delete, chance=0.4)}):
            context.push()

    return strike


def _future_cancelled(context: Context) -> None:
    """All of a weekly visit from one on is cancelled here, and some of that is cut, lost or refused."""
    draw, admin = context.draw, context.shop.admin
    context.editor.cancel_future()
    fault = draw.choice(["half_done", "alias_refused", *LOSSES])
    options: dict[str, Any] = {"half_done": {"place": draw.randint(0, 2)}, "alias_refused": {"message": "Plus tard"}}
    admin.fault(fault, times=draw.randint(1, 2), operation="cancelEvent(", **options.get(fault, {}))
    for _ in range(draw.randint(1, 2)):
        context.push(**SLOW)


def _over_there(status: str) -> Strike:
    """A visit is over at Gazelle before a change of ours goes out: ours is held, and says so."""

    def strike(context: Context) -> None:
        editor = context.editor
        if not (sent := editor.sent()):
            context.push()
            return
        visit = context.draw.choice(sent)
        editor.ask(visit, "move")
        for event in editor.event_ids(visit):
            context.shop.admin.edit("events", event, status=status)
        visit.ends = {"CANCELED": "cancel", "COMPLETE": "over"}[status]
        context.was_edited = context.held = True
        context.push()

    return strike


def _held(context: Context) -> None:
    """A visit for nobody stays here, and says so, a joint one with all of its drafts; the others go."""
    context.editor.hold()
    context.was_edited = context.held = True
    context.push()


def _killed_with_changes(context: Context) -> None:
    editor, draw = context.editor, context.draw
    for visit in editor.sent():
        editor.ask(visit, draw.choice(["move", "cancel", "confirm", "complete"]))
    editor.plan(2)
    context.end_process(context.begin_process(Countdown(draw.randint(1, LAST_STEP))))
    editor.look()


OWN = (
    *(
        Kind(f"{action} unanswered", "network", f"a visit's {noun} comes to no answer, taken or not",
             _unanswered(action), HONEST)
        for action, noun in (
            ("move", "move"), ("cancel", "cancellation"), ("confirm", "confirmation"), ("complete", "completion")
        )
    ),
    Kind("joint visit cut", "graphql", "half of a joint visit is made, moved or cancelled", _joint_cut, HONEST),
    Kind("moved there before", "gazelle", "a visit is moved at Gazelle before our move goes out", _moved_before,
         HONEST),
    Kind("moved there after", "gazelle", "it is moved at Gazelle right after ours was taken", _moved_after, HONEST),
    Kind("cancelled there", "gazelle", "it is cancelled at Gazelle before our move goes out", _over_there("CANCELED"),
         SAID, "cancel|annul"),
    Kind("withdrawn in doubt", "shop", "a draft is withdrawn while nobody knows whether its visit was made",
         _cancelled_in_doubt, HONEST),
    Kind("deleted in doubt", "shop", "a draft is deleted while nobody knows whether its visit was made",
         _deleted_in_doubt, HONEST),
    *(
        Kind(f"deleted {when}", "shop", f"a draft is deleted {about}", _deleted(moment), HONEST)
        for when, about, moment in (
            ("while read", "while its visit is looked for", "after_read"),
            ("while sent", "before a request of the push", "before_send"),
            ("once sent", "after a request of the push", "after_send"),
        )
    ),
    Kind("future cancelled", "gazelle", "all of a weekly visit from one on is cancelled here, in bad weather",
         _future_cancelled, HONEST),
    Kind("held", "shop", "a draft for nobody stays here", _held, SAID, "client"),
    Kind("killed with changes", "process", "a push of every kind of change dies at the n-th step", _killed_with_changes,
         HONEST),
)  # fmt: skip
VISIT_KINDS: Kinds = table(*OWN, *ANY_API, *ANY_HERE, *UNDO)
