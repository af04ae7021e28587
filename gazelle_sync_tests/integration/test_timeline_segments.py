"""A first pull and a deep run read the timeline in segments of time side by side, each complete by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gazelle_sync.pull import timeline_segments
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.timeline_segments import SIDE_BY_SIDE
from gazelle_sync_tests.support.shop import Shop

PAGE = 20


def note(shop: Shop, at: str) -> str:
    client = shop.admin.dump("clients")[0]["id"]
    return str(shop.admin.create("timeline", occurredAt=at, type="USER_COMMENT", comment="Note", clientId=client)["id"])


def pages_read(shop: Shop) -> int:
    return int(shop.admin.stats()["by_operation"]["TimelinePage"])


def test_a_first_pull_in_segments_reads_each_entry_once_and_is_the_account(new_shop: Shop) -> None:
    new_shop.admin.reset_stats()
    outcome = new_shop.sync(page_size=PAGE)
    entries = len(new_shop.admin.dump("timeline"))
    assert not outcome["timeline"].partial
    assert outcome["timeline"].total == entries
    assert new_shop.admin.stats()["bodies"]["timeline"] == entries
    assert new_shop.count("staging_timeline") == entries
    assert pages_read(new_shop) < entries / PAGE + 4 * SIDE_BY_SIDE
    new_shop.assert_equals_api()


def test_a_deep_run_in_segments_finds_what_was_deleted_moved_and_corrected(shop: Shop) -> None:
    entries = sorted(shop.admin.dump("timeline"), key=lambda e: str(e["occurredAt"]))
    gone, moved, corrected = entries[5], entries[100], entries[300]
    shop.admin.delete("timeline", gone["id"])
    shop.admin.edit("timeline", moved["id"], occurredAt=entries[400]["occurredAt"])
    shop.admin.edit("timeline", corrected["id"], comment="Corrigé")
    made = note(shop, "2003-05-04T12:00:00Z")
    outcome = shop.sync(Mode.DEEP, page_size=PAGE)
    assert not outcome["timeline"].partial
    assert shop.row("gazelle_timeline_entries", gone["id"])["deleted_at"] is not None
    assert shop.row("gazelle_timeline_entries", moved["id"])["deleted_at"] is None
    assert shop.row("gazelle_timeline_entries", made)["deleted_at"] is None
    shop.assert_equals_api()
    before = shop.physical()
    shop.sync(Mode.DEEP, page_size=PAGE)
    assert shop.physical() == before


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_an_answer_that_leaves_a_row_out_is_noticed_and_one_segment_is_read_again(new_shop: Shop, mode: Mode) -> None:
    new_shop.admin.reset_stats()
    new_shop.admin.fault("skip_row", times=1, operation="TimelinePage")
    outcome = new_shop.sync(mode, page_size=PAGE)
    entries = len(new_shop.admin.dump("timeline"))
    assert not outcome["timeline"].partial
    assert new_shop.admin.stats()["bodies"]["timeline"] < 1.3 * entries
    new_shop.assert_equals_api()


def test_where_the_end_of_a_list_does_not_hold_the_oldest_its_segments_are_read_from_the_newest_on(
    new_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_segments, "pages_from_the_oldest", lambda *_: iter(()))
    outcome = new_shop.sync(page_size=PAGE)
    assert not outcome["timeline"].partial
    assert outcome["timeline"].total == len(new_shop.admin.dump("timeline"))
    new_shop.assert_equals_api()


def test_notes_that_are_added_while_the_segments_are_read_lose_no_entry(new_shop: Shop) -> None:
    new_shop.admin.settings(latency_ms=10)

    def write() -> None:
        for _ in range(10):
            note(new_shop, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    writing = new_shop.while_pulling(write)
    new_shop.sync(page_size=PAGE)
    writing.join()
    new_shop.admin.settings(latency_ms=0)
    new_shop.sync()
    new_shop.assert_equals_api()


def test_an_error_of_one_segment_ends_the_reading_and_the_next_run_goes_on(new_shop: Shop) -> None:
    new_shop.admin.fault("status", code=403, times=0, after=4, operation="TimelinePage")
    outcome = new_shop.sync(check=False, page_size=PAGE)
    assert "timeline" in outcome.errors
    new_shop.admin.clear_faults()
    new_shop.sync(page_size=PAGE)
    new_shop.assert_equals_api()
