"""The process killed between any two steps of a push: nothing is lost, nothing doubled; on both transports."""

from __future__ import annotations

from gazelle_sync_tests.support.pushing import EditedShop, killed_at


def test_killed_between_any_two_steps_everything_is_there_once(office: EditedShop) -> None:
    """The step at which it is killed moves on by one with each round, until a push gets through."""
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé")
    measured = len(office.measurements(piano))
    said: list[str] = []
    step, stride = 1, 3
    while True:
        words = f"Note {step}, {10 + step // stride % 30}°C"
        said.append(words)
        office.edit(piano, status=("normal", "problematic")[step % 4 // 2], notes=words, observations=f"Vu {step}")
        alive = not killed_at(office, step)
        report = office.push()
        assert report.succeeded, [outcome.failed for outcome in report.outcomes]
        assert office.comments(piano) == said, f"killed at step {step}"
        step += stride
        if alive:
            break
    assert step > 20
    assert office.record(piano)["notes"].startswith("Clé\n\n")
    assert office.record(piano)["notes"].count("Vu ") == 1
    assert office.record(piano)["tags"][0] == "GRAND"
    assert len(office.record(piano)["tags"]) == 2
    assert len(office.measurements(piano)) == measured + len(said)
    assert office.conflicts() == []
    office.assert_clean(piano)
    assert not [row for row in office.log() if row[1] == "in_doubt"]
