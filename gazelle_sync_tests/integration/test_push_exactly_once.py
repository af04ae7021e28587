"""Each edit reaches Gazelle once, also where Gazelle is still at work, rows come and go, and clocks disagree."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from gazelle_sync.gazelle import page_sizes
from gazelle_sync.push import session, store
from gazelle_sync.push.transports import graphql
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.pushing import TABLE, WRITES, EditedShop, HookPush, once


def ago(**how_long: float) -> str:
    """An instant as the API writes it."""
    return (datetime.now(UTC) - timedelta(**how_long)).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- Gazelle is still at work


@pytest.mark.parametrize("code", [None, 500, 503])
@pytest.mark.parametrize("name", ["add_comment", "add_measurement"])
def test_a_create_that_gazelle_carries_out_after_a_bad_answer_is_there_once(
    office: EditedShop, name: str, code: int | None
) -> None:
    piano = office.piano()
    office.edit(piano, notes="Accordé, 21°C 440 Hz")
    measured = len(office.measurements(piano))
    options = {} if code is None else {"code": code}
    office.shop.admin.fault("late", operation=WRITES[name][office.transport], seconds=0.8, **options)
    assert not office.push().succeeded
    assert "in doubt until" in office.row(piano)["sync_error"]
    assert not office.push().succeeded, "nobody has waited long enough to say that it is not there"
    deadline = time.monotonic() + 10
    while not office.push().succeeded:
        assert time.monotonic() < deadline
    assert office.comments(piano) == ["Accordé, 21°C 440 Hz"]
    assert len(office.measurements(piano)) == measured + 1
    office.assert_clean(piano)


def test_a_doubt_lasts_for_the_time_out_and_holds_up_no_other_document(
    office: EditedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_sizes, "LARGEST_DOCUMENT", 1)
    doubtful, other = office.piano(), office.piano(1)
    for piano in (doubtful, other):
        office.edit(piano, notes=f"Note de {piano}")
    office.shop.admin.fault("reset", operation=f"Note de {doubtful}")
    before = datetime.now(UTC)
    report = office.push(timeout_s=17.0)
    assert (report.sent, report.failed, report.stopped) == (1, 1, None)
    (log,) = office.shop.rows("sync_gazelle_logs", "status = 'in_doubt'")
    assert timedelta(seconds=16) < log["doubt_until"] - before < timedelta(seconds=60)
    office.assert_clean(other)
    office.edit(other, notes="Autre")
    assert office.push(timeout_s=17.0).sent == 1
    assert office.comments(doubtful) == []
    office.let_doubts_pass()
    office.settle(doubtful)
    assert office.comments(doubtful) == [f"Note de {doubtful}"]


def test_a_doubtful_text_that_has_arrived_is_confirmed_at_once(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Accordé")
    office.shop.admin.fault("late", operation=WRITES["add_comment"][office.transport], seconds=0.3)
    assert not office.push(timeout_s=600).succeeded
    while not office.comments(piano):
        time.sleep(0.05)
    assert office.push(timeout_s=600).succeeded
    assert office.comments(piano) == ["Accordé"]
    office.assert_clean(piano)


def test_a_doubtful_update_is_not_sent_again_while_the_first_one_may_still_arrive(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND"])
    office.edit(piano, status="top")
    operation = WRITES["update_tags"][office.transport]
    office.shop.admin.fault("reset", operation=operation)
    office.shop.admin.reset_stats()
    for _ in range(2):
        assert not office.push(timeout_s=600).succeeded
        assert "in doubt until" in office.row(piano)["sync_error"]
    assert office.log(piano) == [("update_tags", "in_doubt")]
    assert office.record(piano)["tags"] == ["GRAND"]
    office.let_doubts_pass()
    office.settle(piano)
    assert office.record(piano)["tags"] == ["GRAND", "TOP"]
    assert office.log(piano) == [("update_tags", "error"), ("update_tags", "success")]


# ---- rows that go and come again


def test_a_row_that_is_deleted_and_inserted_again_during_its_push_keeps_its_new_edit(
    office: EditedShop, hook_push: HookPush
) -> None:
    piano = office.piano()
    office.edit(piano, notes="Un")

    def again() -> None:
        office.shop.query(f"DELETE FROM {TABLE}")  # noqa: S608 - a name of ours
        office.edit(piano, notes="Deux")

    hook_push(before_send=once(again))
    office.push()
    assert office.row(piano)["needs_sync"]
    office.settle(piano)
    assert office.comments(piano) == ["Un", "Deux"]


@pytest.mark.parametrize("how", ["inserted again", "corrected and back"])
def test_words_said_again_after_a_row_began_anew_are_sent(office: EditedShop, how: str) -> None:
    piano, other = office.piano(), office.piano(1)
    for words in ("Un", "Deux", "Un", "Deux", "Trois"):
        office.edit(piano, notes=words)
        assert office.push().succeeded
    said = office.comments(piano)
    if how == "inserted again":
        office.shop.query(f"DELETE FROM {TABLE}")  # noqa: S608 - a name of ours
    else:
        for key, wrong in ((other, piano), (piano, other)):
            office.shop.query(f"UPDATE {TABLE} SET gazelle_id = %s WHERE gazelle_id = %s", key, wrong)  # noqa: S608
    office.edit(piano, notes="Trois")
    assert office.push().succeeded
    assert office.comments(piano) == said, "it had that already"
    for words in ("Deux", "Un", "Deux", "Un"):
        office.edit(piano, notes=words)
        assert office.push().succeeded
        said.append(words)
        assert office.comments(piano) == said


def test_who_may_only_insert_and_update_edits_makes_revisions(office: EditedShop) -> None:
    """As a login of a data API, which has no right to anything else of ours."""
    role = f"only_edits_{office.shop.value('SELECT pg_backend_pid()')}"
    office.shop.query(f"CREATE ROLE {role} LOGIN")
    try:
        office.shop.query(f"GRANT INSERT, UPDATE ON {TABLE} TO {role}")
        with psycopg.connect(office.shop.url, user=role, autocommit=True) as visitor:
            add = f"INSERT INTO {TABLE} (gazelle_id, notes) VALUES (%s, 'Un')"  # noqa: S608
            for piano in ("pno_1", "pno_2"):
                visitor.execute(add.encode(), [piano])
            first = [row["revision"] for row in office.rows()]
            visitor.execute(f"UPDATE {TABLE} SET notes = 'Deux'".encode())  # noqa: S608
            revisions = [*first, *(row["revision"] for row in office.rows())]
            assert len(set(revisions)) == 4
            for refused in (
                "SELECT nextval('gazelle.edit_number')",
                "SELECT gazelle_mark_edit()",
                "SELECT gazelle_keep_state()",
                "SELECT * FROM push_state",
                "SELECT * FROM sync_gazelle_logs",
            ):
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
                    visitor.execute(refused.encode())
        kept = office.shop.query(
            "SELECT prosecdef, proconfig, has_function_privilege(%s, oid, 'EXECUTE') FROM pg_proc "
            "WHERE oid IN ('gazelle_mark_edit()'::regprocedure, 'gazelle_keep_state()'::regprocedure)",
            role,
        )
        assert kept == [(True, ["search_path=pg_catalog, pg_temp"], False)] * 2
    finally:
        office.shop.query(f"DROP OWNED BY {role}")
        office.shop.query(f"DROP ROLE {role}")


def test_numbers_go_on_above_all_that_were_used_before_the_sequence(office: EditedShop, databases: Databases) -> None:
    with databases.temporary("template1") as url:
        migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM schema_migrations WHERE name >= '018' AND name < '025'")
            connection.execute("DELETE FROM push_state")
            connection.execute("DROP SEQUENCE gazelle.edit_number")
            connection.execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER USER")
            connection.execute(
                f"INSERT INTO {TABLE} (gazelle_id, revision, base) VALUES ('a', 41, NULL), "  # noqa: S608
                """('b', 9223372036854775807, '{"generations": {"notes": 77, "status": "two"}}'), ('c', 3, '[1]')"""
            )
            connection.execute(f"ALTER TABLE {TABLE} ENABLE TRIGGER USER")
        migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute(f"UPDATE {TABLE} SET notes = 'Un'")  # noqa: S608
            found = connection.execute("SELECT revision FROM push_state ORDER BY revision").fetchall()
        assert [revision for (revision,) in found] == [78, 79, 80]


# ---- who was later


def test_our_own_write_of_one_field_does_not_make_gazelle_the_later_side_of_another(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="top", observations="Vu")
    assert office.push().succeeded
    notes = office.record(piano)["notes"].replace("Vu", "Relu")
    office.shop.admin.edit("pianos", piano, notes=notes, touch=ago(hours=1))
    office.edit(piano, status="normal", observations="Revu")
    office.shop.admin.settings(clock_skew_s=0)
    office.shop.admin.fault("status", code=400, times=0, operation=WRITES["update_piano"][office.transport])
    time.sleep(1.1)  # stamps have whole seconds
    assert office.push().failed == 1
    assert office.record(piano)["tags"] == ["GRAND", "NORMAL"]
    assert "Relu" in office.record(piano)["notes"]
    office.shop.admin.clear_faults()
    time.sleep(2.1)  # clocks that differ by less are the same
    assert office.push().succeeded
    assert "Revu" in office.record(piano)["notes"]
    assert [(c["field"], c["theirs"], c["winner"]) for c in office.conflicts()] == [("observations", "Relu", "ours")]


@pytest.mark.parametrize("ours_is_newer", [True, False])
def test_who_was_later_is_told_by_the_databases_clock_alone(
    office: EditedShop, monkeypatch: pytest.MonkeyPatch, ours_is_newer: bool
) -> None:
    """The editor's clock is a day behind, this machine's is three days ahead, Gazelle's is two days ahead."""
    skew = timedelta(days=2)
    office.shop.admin.settings(clock_skew_s=skew.total_seconds())
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="top")
    assert office.push().succeeded

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=3)

    for module in (graphql, store, session):
        monkeypatch.setattr(module, "datetime", Ahead)
    edited = datetime.now(UTC) + skew + timedelta(hours=-1 if ours_is_newer else 1)
    office.shop.admin.edit("pianos", piano, tags=["NORMAL", "GRAND"], touch=edited.strftime("%Y-%m-%dT%H:%M:%SZ"))
    office.edit(piano, status="problematic", updated_at=datetime.now(UTC) - timedelta(days=1))
    assert office.push().succeeded
    (conflict,) = office.conflicts()
    assert conflict["winner"] == ("ours" if ours_is_newer else "theirs")


# ---- one record's trouble, and everybody's


def test_one_forbidden_note_stops_only_itself(office: EditedShop) -> None:
    """A firewall that stumbles over a word."""
    odd, good = office.piano(), office.piano(1)
    office.edit(odd, notes="<script>", status="top")
    office.edit(good, notes="Accordé")
    office.shop.admin.fault("status", code=403, times=0, operation="<script>")
    report = office.push()
    assert (report.stopped, report.failed) == (None, 1)
    assert office.comments(good) == ["Accordé"]
    assert "TOP" in office.record(odd)["tags"]
    assert "firewall" in office.row(odd)["sync_error"]
    assert "GAZELLE_API_TOKEN" not in office.row(odd)["sync_error"]
    office.assert_clean(good)


@pytest.mark.parametrize("code", [403, 500])
def test_pianos_that_cannot_be_read_stop_only_themselves(office: EditedShop, code: int) -> None:
    pianos = [office.piano(place) for place in range(6)]
    for piano in pianos:
        office.edit(piano, notes="Accordé")
    for piano in pianos[:5]:
        office.shop.admin.fault("status", code=code, times=0, operation=f'"id0": "{piano}"')
        for place in range(1, 6):
            office.shop.admin.fault("status", code=code, times=0, operation=f'"id{place}": "{piano}"')
    report = office.push()
    assert (report.stopped, report.failed, report.sent) == (None, 5, 1)
    assert office.comments(pianos[5]) == ["Accordé"]
    assert f"HTTP {code}" in office.row(pianos[0])["sync_error"]


def test_a_403_that_everything_gets_stops_the_run(office: EditedShop) -> None:
    for place in range(3):
        office.edit(office.piano(place), notes="Accordé")
    office.shop.admin.fault("status", code=403, times=0)
    report = office.push()
    assert "GAZELLE_API_TOKEN" in str(report.stopped)


def test_a_night_without_network_delays_no_edit_once_it_is_over(office: EditedShop) -> None:
    pianos = [office.piano(place) for place in range(6)]
    for piano in pianos:
        office.edit(piano, notes="Accordé")
    for _ in range(12):
        assert office.push(at_once=False, api_url="http://127.0.0.1:9").stopped
    rows = office.rows()
    assert {(row["attempts"], row["next_attempt_at"]) for row in rows} == {(0, None)}
    assert all("cannot be reached" in row["sync_error"] for row in rows)
    assert office.push(at_once=False).succeeded
    assert all(office.comments(piano) == ["Accordé"] for piano in pianos)
