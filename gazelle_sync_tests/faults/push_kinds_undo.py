"""What gets in the way of an undo: its process dies, and people, pushes and another undo come in between."""

from __future__ import annotations

from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.faults.push_context import AnyContext
from gazelle_sync_tests.support.pushing import Countdown

LAST_STEP = 110
"""An undo of some busy rows passes about so many steps."""


def _something_sent(context: AnyContext) -> str:
    """A run that did something; rows may wait when the undo has ended, so "everything went" is not expected."""
    context.was_edited = True
    context.editor.edit_every()
    context.push()
    context.editor.look()
    return context.run_to_undo()


def _killed(context: AnyContext) -> None:
    run_id = _something_sent(context)
    for _ in range(context.draw.randint(1, 2)):
        step = context.draw.randint(1, LAST_STEP)
        context.story.append(f"undo of {run_id[:8]} killed at step {step}")
        context.end_process(context.begin_process(Countdown(step), undo=run_id))
        context.editor.look()
        if context.draw.random() < 0.5:
            context.push()
            context.editor.look()
    if context.draw.random() < 0.7:
        context.undo(run_id)


def _raced_at_gazelle(context: AnyContext) -> None:
    run_id = _something_sent(context)
    moment = context.draw.choice(["after_read", "before_send", "after_send"])
    with context.hooked(**{moment: context.once_a_record(context.editor.edit_all_there, chance=0.4)}):
        context.undo(run_id)


def _raced_here(context: AnyContext) -> None:
    run_id = _something_sent(context)
    moment = context.draw.choice(["after_read", "before_send", "after_send"])
    with context.hooked(**{moment: context.once_a_record(context.editor.edit_here, chance=0.4)}):
        context.undo(run_id)


def _after_a_later_push(context: AnyContext) -> None:
    first = _something_sent(context)
    context.editor.work(context.draw.randint(0, 3))
    later = _something_sent(context)
    runs = [first, later, first] if context.draw.random() < 0.5 else [first]
    for run_id in runs:
        context.undo(run_id)
        context.editor.look()


def _two_at_once(context: AnyContext) -> None:
    run_id = _something_sent(context)
    pids = [context.begin_process(undo=run_id), context.begin_process()]
    context.undo(run_id)
    for pid in pids:
        context.end_process(pid)


def _unanswered(fault: str) -> Strike:
    def strike(context: AnyContext) -> None:
        run_id = _something_sent(context)
        context.arm(fault, may_hold=False, operation=context.draw.choice(["delete", "mutation", ""]))
        context.undo(run_id)
        context.push()
        context.undo(run_id)

    return strike


UNDO = (
    Kind("undo killed", "undo", "an undo dies before or after the n-th step; pushes and another undo may follow",
         _killed, Expect.HONEST),
    Kind("undo raced at Gazelle", "undo", "people edit the records at Gazelle while a run is put back",
         _raced_at_gazelle, Expect.HONEST),
    Kind("undo raced here", "undo", "rows are edited while a run is put back", _raced_here, Expect.HONEST),
    Kind("undo after a later push", "undo", "a run is put back after a later one, which may be put back as well",
         _after_a_later_push, Expect.HONEST),
    Kind("two undos at once", "undo", "two undos of one run, and a push, begin at once", _two_at_once, Expect.HONEST),
    Kind("undo, answer lost", "undo", "answers are lost once the work is done", _unanswered("close_after"),
         Expect.HONEST),
    Kind("undo, reset", "undo", "connections are reset before an answer", _unanswered("reset"), Expect.HONEST),
)  # fmt: skip
