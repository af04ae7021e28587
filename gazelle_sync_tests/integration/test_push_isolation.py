"""Whatever one row holds, the others reach Gazelle, and the odd one says why it waits."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from gazelle_sync.push import store
from gazelle_sync.push.model import Row
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.render import render_preview, render_waiting
from gazelle_sync.push.session import preview
from gazelle_sync.push.status import read_waiting
from gazelle_sync_tests.support.pushing import TABLE, EditedShop
from gazelle_sync_tests.support.shop import Shop

INSTANTS = ["infinity", "-infinity", "0044-03-15 12:00+00 BC", "20226-07-01 12:00+00"]


@pytest.fixture
def office(new_shop: Shop) -> EditedShop:
    """A shop that was never pulled."""
    return EditedShop(new_shop)


def without_trigger(office: EditedShop, piano: str, column: str, value: object) -> None:
    """What somebody does who turns the trigger off; of the pianos whose id is like that."""
    office.shop.query(f"ALTER TABLE {TABLE} DISABLE TRIGGER USER")
    change = f"UPDATE {TABLE} SET {column} = %s WHERE gazelle_id LIKE %s"  # noqa: S608 - names of ours
    office.shop.query(change, value, piano)
    office.shop.query(f"ALTER TABLE {TABLE} ENABLE TRIGGER USER")


STATE = ("base", "attempts", "next_attempt_at", "revision")
"""What `push_state` holds of a row."""


def waiting(office: EditedShop, piano: str) -> tuple[bool, str]:
    """Whether a row is due, and why it waits."""
    ((needs_sync, reason),) = office.shop.query(
        f"SELECT needs_sync, sync_error FROM {TABLE} WHERE gazelle_id = %s",  # noqa: S608 - a name of ours
        piano,
    )
    return needs_sync, reason or ""


@pytest.mark.parametrize("column", ["completed_at", "updated_at"])
def test_an_instant_that_no_program_can_hold_stops_only_its_own_row(office: EditedShop, column: str) -> None:
    good = office.piano(len(INSTANTS))
    odd = [office.piano(place) for place in range(len(INSTANTS))]
    for piano, instant in zip(odd, INSTANTS, strict=True):
        office.edit(piano, notes="Autre")
        without_trigger(office, piano, column, instant)
    office.edit(good, notes="Accordé")
    shown, all_well = render_preview("fr", preview(office.shop.settings.replace(language="fr"), keys=None))
    assert f"{column} contient '20226-07-01" in shown
    assert not all_well
    assert office.push().failed == len(INSTANTS)
    assert office.comments(good) == ["Accordé"]
    office.assert_clean(good)
    assert render_waiting("fr", read_waiting(office.shop.settings)).count("✗") == len(INSTANTS)
    for piano in odd:
        needs_sync, reason = waiting(office, piano)
        assert needs_sync
        assert reason.startswith(f"{column} says ")
        assert "2026-11-20 14:30" in reason
        office.edit(piano, **{column: "2026-07-01 12:00+00"})
    assert office.push().succeeded
    assert [office.comments(piano) for piano in odd] == [["Autre"]] * len(INSTANTS)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("base", "[1]"),
        ("base", '{"generations": "two", "remote": {"updated_at": "yesterday"}}'),
        ("base", '{"notes": ["a list"], "remote": 3}'),
        ("attempts", 2_147_483_647),
        ("next_attempt_at", "-infinity"),
        ("next_attempt_at", "20226-07-01"),
        ("revision", 9_223_372_036_854_775_807),
        ("updated_by", "\ufeff\u202e" * 2_000),
    ],
)
def test_an_odd_value_in_our_own_columns_stops_nobody_else(office: EditedShop, column: str, value: object) -> None:
    odd, good = office.piano(), office.piano(1)
    office.edit(odd, notes="Autre")
    office.edit("pno_nowhere", notes="Nulle part")
    if column in STATE:
        office.shop.query(f"UPDATE push_state SET {column} = %s", value)  # noqa: S608 - names of ours
    else:
        without_trigger(office, "%", column, value)
    office.edit(good, notes="Accordé")
    render_waiting("en", read_waiting(office.shop.settings))
    office.push()
    assert office.comments(good) == ["Accordé"]
    assert "no piano pno_nowhere" in waiting(office, "pno_nowhere")[1] or column == "base"
    assert waiting(office, "pno_nowhere")[1]
    needs_sync, reason = waiting(office, odd)
    assert needs_sync == bool(reason)
    assert office.comments(odd) == ([] if needs_sync else ["Autre"])


def test_a_row_that_refuses_to_be_marked_stops_nobody_else(office: EditedShop) -> None:
    """A rule of the program that made the table."""
    odd, good = "pno_nowhere", office.piano(1)
    office.edit(odd, notes="Autre")
    office.edit("pno_elsewhere", notes="Encore")
    office.shop.query(
        f"ALTER TABLE {TABLE} ADD CONSTRAINT short CHECK (gazelle_id <> 'pno_nowhere' OR sync_error IS NULL)"
    )
    office.edit(good, notes="Accordé")
    assert office.push().failed == 2
    assert office.comments(good) == ["Accordé"]
    assert waiting(office, odd) == (True, "")
    assert "no piano" in waiting(office, "pno_elsewhere")[1]
    office.shop.admin.fault("status", code=401, times=0)
    report = office.push()
    assert report.stopped is not None
    assert "401" in waiting(office, "pno_elsewhere")[1], "the row beside it is marked all the same"


def test_what_was_sent_of_a_row_that_cannot_be_marked_is_not_sent_again(office: EditedShop) -> None:
    odd, good = office.piano(), office.piano(1)
    office.edit(odd, notes="Autre")
    office.shop.query(f"ALTER TABLE push_state ADD CONSTRAINT bare CHECK (local_id <> '{odd}' OR base IS NULL)")
    for n in range(3):
        office.edit(good, notes=f"Accordé {n}")
        assert not office.push().succeeded
    assert office.comments(odd) == ["Autre"]
    assert office.comments(good) == ["Accordé 0", "Accordé 1", "Accordé 2"]
    assert "bare" in waiting(office, odd)[1]
    office.shop.query("ALTER TABLE push_state DROP CONSTRAINT bare")
    assert office.push().succeeded
    assert office.comments(odd) == ["Autre"]
    office.assert_clean(odd)


def test_what_nobody_thought_of_is_the_matter_of_one_row(office: EditedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    odd, good = office.piano(), office.piano(1)
    inner = Pushable.plan

    def planned(pushable: Pushable, row: Row, *rest: Any, **more: Any) -> Any:
        if row.key == odd:
            raise ZeroDivisionError("a fault of ours")
        return inner(pushable, row, *rest, **more)

    monkeypatch.setattr(Pushable, "plan", planned)
    office.edit(odd, notes="Autre")
    office.edit(good, notes="Accordé")
    report = office.push()
    assert (report.failed, report.sent) == (1, 1)
    assert office.comments(good) == ["Accordé"]
    assert "ZeroDivisionError" in waiting(office, odd)[1]


def test_a_row_that_somebody_left_locked_holds_up_only_itself(
    office: EditedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ROW_LOCK_WAIT", "100ms")
    held, good = office.piano(), office.piano(1)
    for piano in (held, good):
        office.edit(piano, notes="Accordé", status="top")
    with psycopg.connect(office.shop.url) as somebody:
        hold = f"SELECT FROM {TABLE} WHERE gazelle_id = %s FOR UPDATE"
        somebody.execute(hold.encode(), [held])
        for _ in range(2):
            assert office.push().failed
        office.assert_clean(good)
        assert office.row(held)["needs_sync"]
    assert office.push().succeeded
    assert (office.comments(held), office.comments(good)) == (["Accordé"], ["Accordé"])
    assert office.record(held)["tags"].count("TOP") == 1
    office.assert_clean(held)
