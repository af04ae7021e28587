"""What holds for every pushable, over both transports: its edits arrive once, or it is told why they did not."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.session import preview
from gazelle_sync_tests.support.pushed import COLUMNS, Column, Side
from gazelle_sync_tests.support.pushing import EditedShop, HookPush, killed_at, once

LAST_STEP = 100
"""A push of two rows passes fewer steps."""


@pytest.fixture(params=COLUMNS, ids=str)
def side(request: pytest.FixtureRequest, office: EditedShop) -> Side:
    column: Column = request.param
    return Side(office, column)


def others(side: Side, record: str) -> dict[str, Any]:
    """What of a record the column does not write."""
    found = side.record(record)
    said = side.column.say(found, side.column.values[0])
    return {
        **{name: value for name, value in found.items() if name not in (*said, "updatedAt")},
        **{name: value for name, value in said.items() if name != "amount"},
    }


def test_every_pushable_is_here() -> None:
    edited = {pushable.table for pushable in PUSHABLES if pushable.updates and not pushable.are_changes}
    assert {column.pushable.table for column in COLUMNS} == edited, (
        "what is only ever added, or is a change, has tests of its own"
    )


def test_an_edit_arrives_once_and_touches_nothing_else(side: Side) -> None:
    (record,) = side.records(1)
    before = others(side, record)
    side.edit(record, side.column.values[1])
    report = side.office.push()
    assert (report.succeeded, report.sent) == (True, 1)
    side.assert_clean(record)
    assert others(side, record) == before
    side.office.shop.admin.reset_stats()
    assert side.office.push().sent == 0
    assert side.office.shop.admin.stats()["requests"] == 0, "nothing is due any more"
    (log,) = side.office.shop.rows("sync_gazelle_logs")
    local_id = str(side.row(record)[side.column.pushable.key])
    assert (log["source_table"], log["local_id"], log["piano_id"]) == (side.column.pushable.table, local_id, record)


def test_what_was_sent_is_not_bounced_back_by_the_pull_that_follows(side: Side) -> None:
    (record,) = side.records(1)
    side.office.shop.sync()
    side.edit(record, side.column.values[1])
    side.office.push()
    side.office.shop.admin.settings(clock_skew_s=2)
    side.office.shop.sync()
    assert side.office.push().sent == 0
    side.assert_clean(record)


def test_an_edit_at_gazelle_comes_here(side: Side) -> None:
    (record,) = side.records(1)
    side.edit(record, side.column.values[1])
    side.office.push()
    side.office.shop.admin.settings(clock_skew_s=2)
    side.say(record, side.column.values[2])
    side.office.shop.admin.settings(clock_skew_s=4)
    side.office.shop.sync()
    assert side.office.push().sent == 0
    assert side.local(record) == side.column.values[2]
    side.assert_clean(record)
    assert not side.office.conflicts(), "only one side had changed it"


@pytest.mark.parametrize("later", ["ours", "theirs"])
def test_where_both_sides_changed_a_field_the_later_edit_wins_and_the_other_is_kept(side: Side, later: str) -> None:
    (record,) = side.records(1)
    side.edit(record, side.column.values[0])
    side.office.push()
    one, other = side.column.values[1], side.column.values[2]
    if later == "ours":
        side.office.shop.admin.settings(clock_skew_s=-60)
        side.say(record, other)
        side.office.shop.admin.settings(clock_skew_s=0)
        side.edit(record, one)
    else:
        side.edit(record, one)
        side.office.shop.admin.settings(clock_skew_s=60)
        side.say(record, other)
        side.office.shop.admin.settings(clock_skew_s=0)
    assert side.office.push().succeeded
    assert side.said(record) == side.local(record) == (one if later == "ours" else other)
    (conflict,) = side.office.conflicts()
    assert (conflict["winner"], conflict["field"], conflict["external_id"]) == (later, side.column.name, record)
    assert (conflict["ours"], conflict["theirs"]) == (str(one), str(other))
    assert conflict["source_table"] == side.column.pushable.table


def test_a_dry_run_shows_what_a_push_sends_and_sends_nothing(side: Side) -> None:
    records = side.records(2)
    for record in records:
        side.edit(record, side.column.values[1])
    settings = side.office.shop.settings.replace(push_transport=side.office.transport)
    shown = [
        (row.key, action.name, action.key)
        for row, plan, _ in preview(settings, keys=None)
        for action in (plan.actions if plan else ())
    ]
    assert side.said(records[0]) == side.column.values[0]
    assert not side.office.log()
    report = side.office.push()
    sent = [(outcome.key, action.name, action.key) for outcome in report.outcomes for action in outcome.sent]
    assert sorted(shown) == sorted(sent)
    assert len(shown) == 2


def test_an_undo_puts_back_what_nobody_changed_since(side: Side) -> None:
    mine, changed = side.records(2)
    for record in (mine, changed):
        side.edit(record, side.column.values[1])
    side.office.push()
    run_id = side.office.shop.last_log()["run_id"]
    before = others(side, mine)
    side.office.shop.admin.settings(clock_skew_s=60)
    side.say(changed, side.column.values[2])
    side.office.undo(run_id)
    assert side.said(mine) == side.local(mine) == side.column.values[0]
    assert side.said(changed) == side.column.values[2], "somebody has changed that one"
    assert others(side, mine) == before
    assert side.office.push().sent == 0, "an undo is not undone by the next push"


@pytest.mark.parametrize("fault", ["close_after", "reset", "html_200", "truncated"])
def test_an_edit_of_which_no_answer_came_arrives_once(side: Side, fault: str) -> None:
    (record,) = side.records(1)
    side.edit(record, side.column.values[1])
    side.office.shop.admin.fault(
        fault,
        operation="mutation" if side.office.transport == "graphql" else "",
        after=0 if side.office.transport == "graphql" else 2,
    )
    side.office.push()
    side.office.shop.admin.clear_faults()
    side.settle()
    side.assert_clean(record)
    assert not [row for row in side.office.log() if row[1] == "in_doubt"]


def test_an_edit_made_while_it_is_sent_goes_with_the_next_push(side: Side, hook_push: HookPush) -> None:
    (record,) = side.records(1)
    side.edit(record, side.column.values[1])
    hook_push(before_send=once(lambda: side.edit(record, side.column.values[2])))
    side.office.push()
    assert side.said(record) == side.column.values[1]
    assert side.row(record)["needs_sync"]
    side.settle()
    assert side.said(record) == side.column.values[2]


def test_an_edit_at_gazelle_between_reading_and_writing_is_not_lost(side: Side, hook_push: HookPush) -> None:
    (record,) = side.records(1)
    side.edit(record, side.column.values[1])
    hook_push(after_read=once(lambda: side.say(record, side.column.values[2])))
    side.office.push()
    side.settle()
    assert side.said(record) == side.local(record)
    told = {value for conflict in side.office.conflicts() for value in (conflict["ours"], conflict["theirs"])}
    lost = {str(value) for value in side.column.values[1:]} - {str(side.said(record))}
    assert lost <= told, "what gave way is kept"


def test_a_row_that_goes_while_it_is_sent_stops_no_other(side: Side, hook_push: HookPush) -> None:
    gone, other = side.records(2)
    for record in (gone, other):
        side.edit(record, side.column.values[1])
    pushable = side.column.pushable
    query = f"DELETE FROM {pushable.table} WHERE {pushable.record_key} = %s"  # noqa: S608 - names of ours
    hook_push(before_send=once(lambda: side.office.shop.query(query, gone)))
    side.office.push()
    side.assert_clean(other)
    side.edit(gone, side.column.values[2])
    side.settle()
    side.assert_clean(gone)


def test_a_record_that_gazelle_does_not_have_is_told_and_stops_no_other(side: Side) -> None:
    (record,) = side.records(1)
    side.edit("xxx_nowhere", side.column.values[1])
    side.edit(record, side.column.values[1])
    report = side.office.push()
    assert report.failed == 1
    side.assert_clean(record)
    assert "xxx_nowhere" in side.row("xxx_nowhere")["sync_error"]


def test_one_alias_that_is_refused_or_comes_to_nothing_stops_no_other(side: Side) -> None:
    if side.office.transport != "graphql":
        pytest.skip("REST has no aliases")
    refused, lost, done, fine = side.records(4)
    for record in (refused, lost, done, fine):
        side.edit(record, side.column.values[1])
    admin = side.office.shop.admin
    admin.fault("alias_refused", about=refused, operation="mutation", message="Pas aujourd'hui", times=1)
    admin.fault("alias_null", about=lost, operation="mutation", done=False)
    report = side.office.push()
    side.assert_clean(fine)
    assert "Pas aujourd'hui" in side.row(refused)["sync_error"]
    assert {outcome.key for outcome in report.outcomes if outcome.failed} >= {refused}
    admin.clear_faults()
    side.settle()
    for record in (refused, lost, done, fine):
        side.assert_clean(record)


@pytest.mark.parametrize("seconds", [None, 0.3])
def test_half_of_a_document_done_and_the_connection_cut_doubles_and_loses_nothing(
    side: Side, seconds: float | None
) -> None:
    if side.office.transport != "graphql":
        pytest.skip("REST sends one at a time")
    records = side.records(6)
    for record in records:
        side.edit(record, side.column.values[1])
    side.office.shop.admin.fault("half_done", operation="mutation", **({} if seconds is None else {"seconds": seconds}))
    side.office.push(timeout_s=1.0)
    side.settle()
    for record in records:
        side.assert_clean(record)
    assert not [row for row in side.office.log() if row[1] == "in_doubt"]


def test_a_push_that_is_killed_at_any_step_loses_nothing(side: Side) -> None:
    records = side.records(2)
    step = 0
    while step < LAST_STEP:
        step += 4
        value = side.column.values[1 + step % 2]
        for record in records:
            side.edit(record, value)
        was_killed = killed_at(side.office, step)
        side.office.let_doubts_pass()
        side.settle()
        for record in records:
            side.assert_clean(record)
        if not was_killed:
            break
    assert not was_killed, "every step was passed"
    assert not [row for row in side.office.log() if row[1] == "in_doubt"]
