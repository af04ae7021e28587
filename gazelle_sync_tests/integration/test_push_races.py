"""Edits, pushes and clocks that meet in the middle of a push: everybody's work is kept, and is there once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.errors import AnotherPushRunning, DatabaseError
from gazelle_sync.push.session import WORKERS, Push
from gazelle_sync.warehouse.lock import PushLock
from gazelle_sync_tests.support.pushing import WRITES, EditedShop, HookPush, once
from gazelle_sync_tests.support.shop import Shop


def test_an_edit_during_its_own_push_stays_due_and_goes_with_the_next(office: EditedShop, hook_push: HookPush) -> None:
    piano = office.piano(tags=["GRAND"])
    office.edit(piano, status="top", notes="un")
    hook_push(before_send=once(lambda: office.edit(piano, status="normal", notes="deux")))
    assert office.push().succeeded
    row = office.row(piano)
    assert row["needs_sync"]
    assert row["base"]["notes"] == "un"
    assert office.push(at_once=False).succeeded
    assert office.comments(piano) == ["un", "deux"]
    assert office.record(piano)["tags"] == ["GRAND", "NORMAL"]
    assert office.conflicts() == []
    office.assert_clean(piano)


def test_an_edit_in_gazelle_between_read_and_write_is_kept(office: EditedShop, hook_push: HookPush) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé")
    office.edit(piano, status="normal", observations="Vu")
    later = stamp(timedelta(seconds=30))
    foreign: dict[str, Any] = {"tags": ["GRAND", "TOP", "NEUF"], "notes": "Clé 2", "touch": later}
    hook_push(after_read=once(lambda: office.shop.admin.edit("pianos", piano, **foreign)))
    assert office.push().succeeded
    assert sorted(office.record(piano)["tags"]) == ["GRAND", "NEUF", "NORMAL"]
    assert office.conflicts() == [], "they changed something else"
    assert office.record(piano)["notes"].startswith("Clé 2\n\n")


def test_even_an_edit_in_the_very_moment_of_the_write_is_put_back(new_shop: Shop, hook_push: HookPush) -> None:
    """REST's answers say nothing of what a write replaced: there the reading just before is all that can be done."""
    office = EditedShop(new_shop, "graphql")
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé")
    office.edit(piano, status="normal", observations="Vu")
    hook_push(before_send=once(lambda: office.shop.admin.edit("pianos", piano, tags=["TOP", "NEUF"], notes="Clé 2")))
    assert office.push().succeeded
    assert sorted(office.record(piano)["tags"]) == ["NEUF", "NORMAL"]
    assert office.record(piano)["notes"].startswith("Clé 2\n\n")
    assert "\nVu\n" in office.record(piano)["notes"]
    office.assert_clean(piano)
    assert office.push().sent == 0


def test_three_pushes_at_once_go_one_after_the_other(office: EditedShop) -> None:
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    office.shop.admin.settings(latency_ms=30)
    threads = [threading.Thread(target=office.push) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    office.assert_there_once(piano, measured)
    with PushLock(office.shop.url, wait_s=0), pytest.raises(AnotherPushRunning, match="Another push is running"):
        office.push(lock_wait_s=0.2)


def test_clocks_that_disagree_decide_nothing(office: EditedShop) -> None:
    """Gazelle's clock is an hour ahead: its edit of this morning is not later than ours of now."""
    piano = office.piano(tags=["TOP"])
    office.edit(piano, status="top")
    office.push()
    office.shop.admin.settings(clock_skew_s=3600)
    office.shop.admin.edit("pianos", piano, tags=["NORMAL"], touch=stamp(timedelta(minutes=50)))
    office.edit(piano, status="problematic")
    assert office.push().succeeded
    assert office.record(piano)["tags"] == ["PROBLEMATIQUE"]
    assert [(c["ours"], c["theirs"], c["winner"]) for c in office.conflicts()] == [("problematic", "normal", "ours")]


def test_a_comment_is_found_again_at_a_gazelle_whose_clock_is_more_than_a_day_behind(office: EditedShop) -> None:
    """Found by the fault campaign: what was looked for from yesterday on bore the day before."""
    office.shop.admin.settings(clock_skew_s=-95_000)
    piano = office.piano(tags=["GRAND"])
    office.edit(piano, notes="une seule fois")
    office.shop.admin.fault("close_after", operation=WRITES["add_comment"][office.transport])
    office.settle(piano)
    assert office.shop.admin.faults()[0]["struck"] == 1
    assert office.comments(piano) == ["une seule fois"]


def test_an_update_whose_answer_was_lost_as_the_network_went_is_known_to_have_been_sent_by_the_next_run(
    office: EditedShop,
) -> None:
    piano = office.piano(tags=["GRAND"])
    office.edit(piano, status="top")
    office.shop.admin.fault("close_after", operation=WRITES["update_tags"][office.transport])
    office.shop.admin.fault("status", code=503, times=0, operation="PushEntries")
    assert not office.push().succeeded
    assert office.log(piano) == [("update_tags", "in_doubt")]
    office.shop.admin.clear_faults()
    office.settle(piano)
    assert office.log(piano) == [("update_tags", "success")]
    office.assert_clean(piano)


def stamp(ahead: timedelta) -> str:
    return (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_database_that_is_gone_after_the_request_was_sent_doubles_nothing(
    office: EditedShop, hook_push: HookPush
) -> None:
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    for _ in range(8):
        hook_push(after_send=once(lambda: cut_connections(office)))
        try:
            office.push()
        except DatabaseError as error:
            assert "PostgreSQL" in str(error) or "lock was cut" in str(error)  # noqa: PT017 - some pushes have nothing left to cut
    hook_push(after_send=lambda _: None)
    office.settle(piano)
    office.assert_there_once(piano, measured)


def cut_connections(office: EditedShop) -> None:
    office.shop.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'gazelle_sync' AND pid <> pg_backend_pid()"
    )


def test_a_push_that_is_stopped_ends_what_is_being_sent_and_begins_no_further_row(
    office: EditedShop, hook_push: HookPush
) -> None:
    pianos = [office.piano(place) for place in range(12)]
    for piano in pianos:
        office.edit(piano, notes="Accordé")
    push = Push(office.shop.settings.replace(push_transport=office.transport), at_once=True, grace_s=0.2)
    interrupts = [KeyboardInterrupt()]

    def before_send(_: str) -> None:
        if interrupts:
            raise interrupts.pop()
        assert push._stopped.wait(30)

    hook_push(before_send=before_send)
    with pytest.raises(KeyboardInterrupt), push:
        push.run()
    assert sum(len(office.comments(piano)) for piano in pianos) <= WORKERS - 1
    hook_push(before_send=lambda _: None)
    office.settle(pianos[0])
    assert [office.comments(piano) for piano in pianos] == [["Accordé"]] * 12


def test_what_arrived_is_written_down_before_what_is_in_doubt_is_looked_for(
    new_shop: Shop, hook_push: HookPush
) -> None:
    office = EditedShop(new_shop, "graphql")
    lost, arrived = office.piano(0), office.piano(1)
    for piano, notes in ((lost, "Perdue"), (arrived, "Arrivée")):
        office.edit(piano, notes=notes)
    new_shop.admin.fault("alias_null", about="Perdue", operation="mutation", done=False)
    sent: list[str] = []

    def after_read(_: str) -> None:
        if sent:
            raise KeyboardInterrupt

    hook_push(after_send=sent.append, after_read=after_read)
    with pytest.raises(KeyboardInterrupt):
        office.push()
    assert [status for _, status in office.log(arrived)] == ["success"]
    assert [status for _, status in office.log(lost)] == ["in_doubt"]
