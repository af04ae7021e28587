"""What gets in the way of an undo: its process dies, and people, pushes and another undo come in between."""

from __future__ import annotations

from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.faults.push_scene import PushScene
from gazelle_sync_tests.support.pushing import Countdown

LAST_STEP = 110
"""An undo of some busy rows passes about so many steps."""


def _something_sent(scene: PushScene) -> str:
    """A run that did something; rows may wait when the undo has ended, so "everything went" is not expected."""
    scene.was_edited = True
    for piano in scene.sides.living:
        scene.sides.edit_here(piano)
    scene.push()
    scene.sides.look()
    return scene.run_to_undo()


def _killed(scene: PushScene) -> None:
    run_id = _something_sent(scene)
    for _ in range(scene.draw.randint(1, 2)):
        step = scene.draw.randint(1, LAST_STEP)
        scene.story.append(f"undo of {run_id[:8]} killed at step {step}")
        scene.end_process(scene.begin_process(Countdown(step), undo=run_id))
        scene.sides.look()
        if scene.draw.random() < 0.5:
            scene.push()
            scene.sides.look()
    if scene.draw.random() < 0.7:
        scene.undo(run_id)


def _raced_at_gazelle(scene: PushScene) -> None:
    run_id = _something_sent(scene)
    moment = scene.draw.choice(["after_read", "before_send", "after_send"])
    with scene.elbow(**{moment: scene.once_a_piano(scene.sides.edit_all_there, chance=0.4)}):
        scene.undo(run_id)


def _raced_here(scene: PushScene) -> None:
    run_id = _something_sent(scene)
    moment = scene.draw.choice(["after_read", "before_send", "after_send"])
    with scene.elbow(**{moment: scene.once_a_piano(scene.sides.edit_here, chance=0.4)}):
        scene.undo(run_id)


def _after_a_later_push(scene: PushScene) -> None:
    first = _something_sent(scene)
    scene.sides.work(scene.draw.randint(0, 3))
    later = _something_sent(scene)
    runs = [first, later, first] if scene.draw.random() < 0.5 else [first]
    for run_id in runs:
        scene.undo(run_id)
        scene.sides.look()


def _two_at_once(scene: PushScene) -> None:
    run_id = _something_sent(scene)
    pids = [scene.begin_process(undo=run_id), scene.begin_process()]
    scene.undo(run_id)
    for pid in pids:
        scene.end_process(pid)


def _unanswered(fault: str) -> Strike:
    def strike(scene: PushScene) -> None:
        run_id = _something_sent(scene)
        scene.arm(fault, may_hold=False, operation=scene.draw.choice(["delete", "PushPiano", ""]))
        scene.undo(run_id)
        scene.push()
        scene.undo(run_id)

    return strike


UNDO = (
    Kind("undo killed", "undo", "an undo dies before or after the n-th step; pushes and another undo may follow",
         _killed, Expect.HONEST),
    Kind("undo raced at Gazelle", "undo", "people edit the pianos at Gazelle while a run is put back",
         _raced_at_gazelle, Expect.HONEST),
    Kind("undo raced here", "undo", "rows are edited while a run is put back", _raced_here, Expect.HONEST),
    Kind("undo after a later push", "undo", "a run is put back after a later one, which may be put back as well",
         _after_a_later_push, Expect.HONEST),
    Kind("two undos at once", "undo", "two undos of one run, and a push, begin at once", _two_at_once, Expect.HONEST),
    Kind("undo, answer lost", "undo", "answers are lost once the work is done", _unanswered("close_after"),
         Expect.HONEST),
    Kind("undo, reset", "undo", "connections are reset before an answer", _unanswered("reset"), Expect.HONEST),
)  # fmt: skip
