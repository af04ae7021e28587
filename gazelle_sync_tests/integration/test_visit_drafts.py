"""Drafts of visits: any program writes them, and what is wrong with each is said before anything is sent."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.types.json import Jsonb

from gazelle_sync.i18n.translator import translator
from gazelle_sync.push.pushables.appointment_checks import MESSAGES, Problem, explain_drafts
from gazelle_sync.shop.calendar.conflicts import overlaps
from gazelle_sync.shop.calendar.drafts import DraftRefused, add_visit, change_visit, service_minutes
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import statement
from gazelle_sync_tests.support.diary import ANNE, BEN, HALL, NOW, SCHOOL, Diary


def test_a_draft_that_another_program_writes_is_ready_and_nothing_is_wrong_with_it(diary: Diary) -> None:
    draft = diary.draft(client_external_id=f" {SCHOOL}\u00a0", pianos=Jsonb(["pno_school", {"id": " pno_school "}]))
    assert diary.problems(draft) == []
    assert diary.query("SELECT client_external_id, status, needs_sync FROM appointment_drafts") == [
        (SCHOOL, "ready", True)
    ]


def test_a_held_draft_that_is_corrected_is_ready_again(diary: Diary) -> None:
    diary.draft(duration_minutes=0)
    diary.query("UPDATE appointment_drafts SET status = 'held', sync_error = 'no'")
    diary.query("UPDATE appointment_drafts SET sync_error = 'still no'")
    assert diary.query("SELECT status FROM appointment_drafts") == [("held",)]
    diary.query("UPDATE appointment_drafts SET duration_minutes = 60")
    assert diary.query("SELECT status FROM appointment_drafts") == [("ready",)]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"duration_minutes": 0}, "bad_duration"),
        ({"duration_minutes": -60}, "bad_duration"),
        ({"duration_minutes": 100_000}, "bad_duration"),
        ({"duration_minutes": None}, "bad_duration"),
        ({"start": "1900-01-01 09:00"}, "start_out_of_range"),
        ({"start": "2199-01-01 09:00"}, "start_out_of_range"),
        ({"start": None}, "no_start"),
        ({"client_external_id": None}, "no_client"),
        ({"client_external_id": "cli_nobody"}, "unknown_client"),
        ({"client_external_id": "cli_gone"}, "client_gone"),
        ({"event_type": "MEMO"}, "memo_keeps_no_client"),
        ({"event_type": "SYNCED"}, "bad_type"),
        ({"technician_external_id": None}, "no_technician"),
        ({"technician_external_id": "usr_nobody"}, "unknown_technician"),
        ({"technician_external_id": "usr_left"}, "inactive_technician"),
        ({"technician_external_id": "usr_deleted"}, "inactive_technician"),
        ({"technician_external_id": "usr_office"}, "not_schedulable"),
        ({"pianos": Jsonb(["pno_nowhere"])}, "unknown_piano"),
        ({"pianos": Jsonb(["pno_hall"])}, "piano_of_another_client"),
        ({"pianos": Jsonb(["pno_gone"])}, "piano_gone"),
        ({"pianos": Jsonb([7])}, "bad_pianos"),
        ({"pianos": Jsonb([{"name": "le grand"}])}, "bad_pianos"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_new_visit_is_said(diary: Diary, values: dict[str, object], code: str) -> None:
    diary.insert("gazelle_users", external_id="usr_left", status="INACTIVE", is_schedulable=True)
    diary.insert("gazelle_users", external_id="usr_office", status="ACTIVE", is_schedulable=False)
    deleted = {"deleted_at": instant_of("2027-01-01 00:00")}
    diary.insert("gazelle_users", external_id="usr_deleted", status="ACTIVE", is_schedulable=True, **deleted)
    diary.insert("gazelle_clients", external_id="cli_gone", **deleted)
    diary.insert("gazelle_pianos", external_id="pno_gone", client_external_id=SCHOOL, **deleted)
    assert diary.codes(diary.draft(**values)) == [code]  # type: ignore[arg-type] # as the cases say


@pytest.mark.parametrize(
    ("action", "event", "code"),
    [
        ("move", {}, None),
        ("move", None, "no_event"),
        ("cancel", {"external_id": "evt_else"}, "unknown_event"),
        ("cancel", {"deleted_at": instant_of("2027-01-01 00:00")}, "event_gone"),
        ("cancel", {"status": "CANCELED"}, "event_canceled"),
        ("complete", {"status": "COMPLETE"}, "event_complete"),
        ("confirm", {"event_type": "SYNCED"}, "not_writable"),
        ("confirm", {"recurrence_id": "rec_1"}, None),
    ],
)
def test_what_is_wrong_with_a_change_is_said(
    diary: Diary, action: str, event: dict[str, object] | None, code: str | None
) -> None:
    diary.event("2027-03-04 09:00", **({"external_id": "evt_it"} | (event or {})))  # type: ignore[arg-type]
    draft = diary.draft(
        None if action != "move" else "2027-03-05 09:00", action=action, client_external_id=None, duration_minutes=None,
        technician_external_id=None, appointment_external_id=None if event is None else "evt_it",
    )  # fmt: skip
    assert diary.codes(draft) == ([code] if code else [])


@pytest.mark.parametrize(
    ("pianos", "code"),
    [
        ([7], "bad_pianos"),
        (["pno_nowhere"], "unknown_piano"),
        (["pno_hall"], "piano_of_another_client"),
        (["pno_school"], None),
        ([], None),
    ],
)
def test_a_completion_names_pianos_of_its_visit(diary: Diary, pianos: list[object], code: str | None) -> None:
    event = diary.event("2027-03-02 09:00")
    diary.insert(
        "gazelle_appointment_pianos", external_id="evp_1", appointment_external_id=event, piano_external_id="pno_hall"
    )
    given = {"action": "complete", "appointment_external_id": event, "pianos": Jsonb(pianos), "notes": "Accordé"}
    none = {"client_external_id": None, "technician_external_id": None, "duration_minutes": None}
    assert diary.codes(diary.draft(None, **given, **none)) == ([code] if code else [])


def test_one_row_of_any_program_cancels_all_visits_that_follow(diary: Diary) -> None:
    events = [diary.event(f"2027-03-{day:02} 09:00", recurrence_id="rec_1") for day in (2, 9, 16, 23)]
    diary.change(events[2], status="COMPLETE")
    other = diary.event("2027-03-09 11:00", recurrence_id="rec_2")
    diary.insert("appointment_drafts", action="cancel", appointment_external_id=events[0])
    assert diary.query("SELECT count(*) FROM appointment_drafts") == [(1,)]
    diary.query("UPDATE appointment_drafts SET recurrence_change = 'FUTURE'")
    rows = "SELECT appointment_external_id, recurrence_change, status FROM appointment_drafts ORDER BY id"
    expected = [(events[0], "FUTURE", "ready"), (events[1], "SELF", "ready"), (events[3], "SELF", "ready")]
    assert diary.query(rows) == expected
    diary.query("UPDATE appointment_drafts SET recurrence_change = 'FUTURE' WHERE appointment_external_id = %s", other)
    assert diary.query(rows) == expected
    diary.query("DELETE FROM appointment_drafts")
    diary.insert(
        "appointment_drafts", action="cancel", recurrence_change="FUTURE", appointment_external_id=f" {events[0]}"
    )
    assert diary.query(rows) == expected
    ids = change_visit(diary.connection, events[0], "cancel", {"recurrence_change": "FUTURE"})
    assert [(id_,) for id_ in ids] == diary.query("SELECT id FROM appointment_drafts ORDER BY id")


def test_a_technician_is_not_named_twice(diary: Diary) -> None:
    with pytest.raises(DraftRefused, match="usr_anne is named twice"):
        add_visit(diary.connection, {"start_at": instant_of("2027-03-02 09:00")}, [ANNE, f" {ANNE}"], [])
    assert diary.query("SELECT FROM appointment_drafts") == []


def test_what_gazelle_refused_is_said_to_people_and_does_not_keep_the_draft(diary: Diary) -> None:
    draft = diary.draft()
    for error, said in (("Gazelle said no", ["not_sent"]), ("It waits: no client.", [])):
        diary.query("UPDATE appointment_drafts SET sync_error = %s", error)
        (one,) = explain_drafts(diary.connection, NOW)
        assert [problem.code for problem in one.problems] == said
        assert diary.codes(draft) == []


def test_a_table_that_makes_no_sense_at_all_is_refused(diary: Diary) -> None:
    for values in ({"action": "send"}, {"pianos": Jsonb("pno_school")}, {"recurrence_change": "ALL"}):
        with pytest.raises(psycopg.errors.CheckViolation):
            diary.draft(**values)


def test_a_visit_over_another_one_of_its_technician_is_a_conflict_and_a_forced_one_is_none(diary: Diary) -> None:
    taken = diary.event("2027-03-02 10:30")
    diary.event("2027-03-02 10:30", BEN)
    diary.event("2027-03-02 11:00")
    diary.event("2027-03-02 09:00", status="CANCELED")
    diary.event("2027-03-02 09:00", event_type="MEMO", client_external_id=None)
    diary.event("2027-03-02 09:00", deleted_at=instant_of("2027-01-01 00:00"))
    draft = diary.draft("2027-03-02 09:00")
    assert diary.problems(draft) == [("conflict", taken)]
    diary.query("UPDATE appointment_drafts SET is_forced = true")
    assert diary.problems(draft) == []


@pytest.mark.parametrize(
    ("start", "values"),
    [
        ("2027-03-02 07:30", {"duration_minutes": 75, "buffer_minutes": 16}),
        ("2027-03-01 09:30", {"duration_minutes": 48 * 60, "event_type": "PERSONAL", "client_external_id": None}),
        ("2027-03-02 00:00", {"is_all_day": True, "duration_minutes": 1440, "event_type": "PERSONAL"}),
        ("2027-03-01 00:00", {"is_all_day": True, "duration_minutes": 2880}),
        ("2027-03-02 10:59", {"event_type": "SYNCED"}),
    ],
    ids=["a buffer", "48 hours", "all day", "two whole days", "a synced calendar"],
)
def test_buffers_blocks_whole_days_and_synced_calendars_count(
    diary: Diary, start: str, values: dict[str, object]
) -> None:
    taken = diary.event(start, **values)  # type: ignore[arg-type] # as the cases say
    assert diary.problems(diary.draft("2027-03-02 09:00")) == [("conflict", taken)]
    assert diary.problems(diary.draft("2027-03-03 12:00")) == []


def test_a_move_does_not_meet_its_own_event_nor_one_that_another_draft_moves_or_cancels(diary: Diary) -> None:
    own, other = diary.event("2027-03-02 09:00"), diary.event("2027-03-02 10:00")
    move = diary.draft(
        "2027-03-02 09:30", action="move", appointment_external_id=own, duration_minutes=None,
        technician_external_id=None, client_external_id=None,
    )  # fmt: skip
    assert diary.problems(move) == [("conflict", other)]
    diary.draft(None, action="cancel", appointment_external_id=other)
    assert diary.problems(move) == []


def test_of_two_drafts_at_once_the_later_gives_way(diary: Diary) -> None:
    first, second = diary.draft(), diary.draft(client_external_id=HALL)
    assert diary.problems(first) == []
    assert diary.problems(second) == [("conflict", f"draft:{first}")]


def test_two_visits_that_are_too_far_apart_leave_no_time_to_travel(diary: Diary) -> None:
    for client, latitude in ((SCHOOL, 45.50), (HALL, 45.80)):  # 33 km
        diary.insert("gazelle_contacts", external_id=client.replace("cli", "con"), client_external_id=client)
        diary.insert(
            "gazelle_locations", external_id=client.replace("cli", "loc"), client_external_id=client,
            contact_external_id=client.replace("cli", "con"), latitude=latitude, longitude=-73.6,
        )  # fmt: skip
    before = diary.event("2027-03-02 07:45", client_external_id=HALL)
    after = diary.event("2027-03-02 11:15", client_external_id=HALL)
    diary.event("2027-03-02 06:00", client_external_id=SCHOOL)
    draft = diary.draft("2027-03-02 09:00")
    assert diary.problems(draft) == [("no_time_to_travel", before), ("no_time_to_travel", after)]
    diary.change(before, start_at=instant_of("2027-03-02 06:45"))
    diary.change(after, start_at=instant_of("2027-03-02 12:15"))
    assert diary.problems(draft) == []


def test_a_visit_over_the_hour_that_is_twice_lasts_as_long_as_it_says(diary: Diary) -> None:
    diary.event(instant_of("2027-11-07 01:30", fold=0), duration_minutes=60)
    assert diary.problems(diary.draft("2027-11-07 02:00")) == []
    assert diary.codes(diary.draft("2027-11-07 02:00", technician_external_id=ANNE)) == ["conflict"]


def test_a_joint_visit_is_two_drafts_that_move_and_cancel_together(diary: Diary) -> None:
    values = {"client_external_id": SCHOOL, "start_at": instant_of("2027-03-02 09:00"), "duration_minutes": 120}
    ids = add_visit(diary.connection, values, [ANNE, BEN], ["pno_school"])
    rows = diary.query("SELECT technician_external_id, title, pianos, joint_key FROM appointment_drafts ORDER BY id")
    assert [row[:3] for row in rows] == [(who, "École du Nord", ["pno_school"]) for who in (ANNE, BEN)]
    assert rows[0][3] == rows[1][3] is not None
    assert [diary.problems(id_) for id_ in ids] == [[], []]

    at = instant_of("2027-03-03 09:00")
    assert change_visit(diary.connection, str(ids[1]), "move", {"start_at": at}) == ids, "Gazelle has neither yet"
    assert diary.query("SELECT DISTINCT start_at FROM appointment_drafts") == [(at,)]

    events = [diary.event("2027-03-03 09:00", who) for who in (ANNE, BEN)]
    for id_, event in zip(ids, events, strict=True):
        diary.query(
            "UPDATE appointment_drafts SET status = 'sent', appointment_external_id = %s WHERE id = %s", event, id_
        )
    moved = change_visit(diary.connection, events[0], "move", {"start_at": instant_of("2027-03-04 09:00")})
    assert diary.query(
        "SELECT appointment_external_id FROM appointment_drafts WHERE id = ANY (%s) AND action = 'move'", moved
    ) == [(event,) for event in events]
    with pytest.raises(DraftRefused, match="joint visit"):
        change_visit(diary.connection, events[0], "move", {"technician_external_id": BEN})
    assert len(change_visit(diary.connection, str(ids[0]), "cancel", {})) == 2


def test_a_visit_that_gazelle_does_not_have_is_withdrawn_here(diary: Diary) -> None:
    draft = str(diary.draft())
    with pytest.raises(DraftRefused, match="does not have the visit"):
        change_visit(diary.connection, draft, "complete", {})
    change_visit(diary.connection, draft, "cancel", {})
    assert diary.query("SELECT action, status FROM appointment_drafts") == [("create", "canceled")]
    with pytest.raises(DraftRefused, match="withdrawn"):
        change_visit(diary.connection, draft, "move", {"start_at": instant_of("2027-03-04 09:00")})
    with pytest.raises(DraftRefused, match="no draft 999"):
        change_visit(diary.connection, "999", "cancel", {})


def test_a_visit_lasts_as_long_as_its_service(diary: Diary) -> None:
    diary.insert("gazelle_products", external_id="mit_1", duration_minutes=95)
    services = [None, "hall", "day", "mit_1"]
    assert [service_minutes(diary.connection, one) for one in services] == [120, 80, 420, 95]
    with pytest.raises(DraftRefused, match="no service mit_9"):
        service_minutes(diary.connection, "mit_9")


def test_every_problem_is_said_in_both_languages() -> None:
    for code in MESSAGES:
        english, french = (Problem(code, "evt_1").text(translator(language)) for language in ("en", "fr"))
        assert english != french


MANY = """
INSERT INTO gazelle_appointments (
    external_id, technician_external_id, start_at, duration_minutes, event_type, status, is_all_day
)
SELECT 'evt_n' || n, CASE n % 5 WHEN 0 THEN 'usr_anne' ELSE 'usr_' || n % 5 END,
    '2020-01-01T12:00Z'::timestamptz + n / 5 * interval '2 hours', 60, 'APPOINTMENT', 'ACTIVE', false
FROM generate_series(1, 20000) AS n
"""


def test_overlaps_are_found_once_each_with_when(diary: Diary) -> None:
    first = diary.event("2027-03-02 09:00", duration_minutes=180)
    inside, after = diary.event("2027-03-02 09:30"), diary.event("2027-03-02 11:30")
    diary.event("2027-03-02 12:30")
    diary.event("2027-03-02 09:30", BEN)
    found = overlaps(diary.connection)
    assert [(one.technician, one.first, one.second) for one in found] == [(ANNE, first, inside), (ANNE, first, after)]
    assert (found[1].start_at, found[1].end_at) == (instant_of("2027-03-02 11:30"), instant_of("2027-03-02 12:00"))
    assert overlaps(diary.connection, since=instant_of("2027-03-03 00:00")) == []


def test_many_events_are_looked_at_by_the_index_on_ranges(diary: Diary) -> None:
    """Of 100,000 events with 3,000 overlaps, 0.16 s of processor time for all of them, 1 ms for the drafts.

    A plan does not depend on the machine.
    """
    for number in range(1, 5):
        diary.insert("gazelle_users", external_id=f"usr_{number}", status="ACTIVE", is_schedulable=True)
    diary.query(MANY)
    diary.query("ANALYZE gazelle_appointments")
    late = diary.event("2020-06-01 08:30", external_id="evt_late")
    draft = diary.draft("2020-06-01 08:30")
    assert ("conflict", late) in diary.problems(draft, instant_of("2020-06-01 00:00"))
    assert [one.second for one in overlaps(diary.connection)] == ["evt_late"]
    bounds = {"since": None, "until": None}
    for query, values in ((statement("calendar/drafts_conflicts"), None), (statement("calendar/conflicts"), bounds)):
        plan = diary.connection.execute(f"EXPLAIN {query}".encode(), values).fetchall()
        assert any("gazelle_appointments_busy" in line for (line,) in plan), plan
