"""`GAZELLE_PUSH_SERVICE=event`: work becomes visits, one a day for an institution."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from gazelle_sync.errors import ApiUnreachable, SettingsError
from gazelle_sync.gazelle.client import Answer, GazelleClient
from gazelle_sync.push.model import Action, Remote
from gazelle_sync.push.transports.visits import VisitTransport
from gazelle_sync.settings import Settings
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

LATE = datetime(2026, 7, 2, 3, 30, tzinfo=UTC)
"""Half past eleven in the evening of the first in Montreal."""
EARLY = datetime(2026, 7, 1, 13, tzinfo=UTC)


@pytest.fixture
def school(new_shop: Shop) -> EditedShop:
    return EditedShop(new_shop, "graphql", "event")


def pianos_of(school: EditedShop, count: int) -> list[str]:
    client = school.record(school.piano())["clientId"]
    made = [school.shop.admin.create("pianos", clientId=client, status="ACTIVE", make="Yamaha") for _ in range(count)]
    return [piano["id"] for piano in made]


def visits(school: EditedShop) -> list[dict[str, Any]]:
    return [event for event in school.shop.admin.dump("events") if "gazelle_sync" in (event.get("notes") or "")]


def services(school: EditedShop, piano: str) -> list[str]:
    entries = school.shop.admin.dump("timeline")
    return [e["comment"] for e in entries if e.get("pianoId") == piano and e["type"] == "SERVICE_ENTRY_MANUAL"]


def test_an_institutions_day_is_one_visit_and_every_piano_has_its_history(school: EditedShop) -> None:
    pianos = pianos_of(school, 6)
    for piano in pianos[:5]:
        school.edit(piano, travail=f"Accord de {piano}", completed_at=LATE)
    assert school.push().succeeded
    school.edit(pianos[5], travail="Venu plus tard", completed_at=EARLY)
    assert school.push().succeeded
    (visit,) = visits(school)
    assert visit["status"] == "COMPLETE"
    assert {row["pianoId"] for row in visit["pianos"]} == set(pianos)
    for piano in pianos[:5]:
        assert services(school, piano) == [f"Accord de {piano}"]
        assert school.record(piano)["calculatedLastService"] == "2026-07-01"
        assert school.record(piano).get("manualLastService") is None
        school.assert_clean(piano)
    assert services(school, pianos[5]) == ["Venu plus tard"]
    assert school.push().sent == 0


def test_a_piano_that_joins_a_visit_costs_the_visit_nothing(school: EditedShop) -> None:
    """`updateEvent` replaces the event: what is not sent again is gone."""
    visited(school, 1)
    (visit,) = visits(school)
    told: dict[str, Any] = {
        "confirmedAt": "2026-06-30T14:00:00Z",
        "location": {"street1": "88, rue Exemple", "municipality": "Montréal", "latitude": "45.51", "what3words": None},
        "recurrenceType": "MONTHLY",
        "recurrenceWeekdays": [3],
        "recurrenceWeeks": [1, 3],
        "recurrenceDates": [1, 15],
        "recurrenceInterval": 2,
        "recurrenceEndingType": "DATE",
        "recurrenceEndingOccurrences": 4,
        "recurrenceEndingDate": "2027-06-30",
        "travelMode": "TRANSIT",
        "buffer": 20,
        "confirmedByClient": True,
    }
    before = school.shop.admin.edit("events", visit["id"], **told)
    (late,) = pianos_of(school, 1)
    school.edit(late, travail="Venu plus tard", completed_at=EARLY)
    assert school.push().succeeded
    (after,) = visits(school)
    assert after["pianos"] == [*before["pianos"], {"pianoId": late, "isTuning": False}]
    location = {name: value for name, value in told["location"].items() if value is not None}
    same = {**before, "location": location, "pianos": after["pianos"], "updatedAt": after["updatedAt"]}
    assert after == same


def test_a_completion_that_replaces_what_an_earlier_one_noted_loses_nothing(
    school: EditedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API does not say which it does; the sandbox adds, this one replaces."""
    inner = VisitTransport._complete

    def replacing(transport: VisitTransport, visit: Remote, notes: list[dict[str, Any]]) -> Any:
        pianos = {one["pianoId"] for one in visit.values["event"]["pianos"]}
        for entry in school.shop.admin.dump("timeline"):
            if entry.get("pianoId") in pianos and entry["type"] == "SERVICE_ENTRY_MANUAL":
                school.shop.admin.delete("timeline", entry["id"])
        return inner(transport, visit, notes)

    monkeypatch.setattr(VisitTransport, "_complete", replacing)
    pianos = pianos_of(school, 4)
    for piano in pianos:
        school.edit(piano, travail=f"Accord de {piano}", completed_at=LATE)
        assert school.push().succeeded
    assert [len(services(school, piano)) for piano in pianos] == [1, 1, 1, 1]
    school.edit(pianos[0], travail="Encore", completed_at=LATE)
    assert school.push().succeeded
    assert "Encore" in services(school, pianos[0])
    assert [len(services(school, piano)) for piano in pianos] == [2, 1, 1, 1]


@pytest.mark.parametrize("page_size", [1000, 25], ids=["pages as asked for", "pages cut in silence"])
def test_a_visit_of_more_pianos_than_a_page_loses_none(school: EditedShop, page_size: int) -> None:
    pianos = visited(school, 110)
    school.shop.admin.settings(max_page_size=page_size)
    (late,) = pianos_of(school, 1)
    for text in ("Venu plus tard", "Encore"):
        school.edit(late, travail=text, completed_at=EARLY)
        assert school.push().succeeded
    (visit,) = visits(school)
    assert [row["pianoId"] for row in visit["pianos"]] == [*pianos, late]
    assert [row["isTuning"] for row in visit["pianos"]] == [True] * 110 + [False]
    assert services(school, late) == ["Venu plus tard", "Encore"]


def test_a_visit_that_is_not_shown_whole_is_left_as_it_is_and_the_row_says_so(
    school: EditedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pianos = visited(school, 110)
    inner = GazelleClient.execute_exactly

    def without_the_last_page(client: GazelleClient, operation: str, *arguments: Any, **options: Any) -> Answer:
        answer = inner(client, operation, *arguments, **options)
        if operation == "PushVisitPianos":
            answer.data["event"]["allEventPianos"]["nodes"] = []
        return answer

    (late,) = pianos_of(school, 1)
    school.edit(late, travail="Venu plus tard", completed_at=EARLY)
    with monkeypatch.context() as patch:
        patch.setattr(GazelleClient, "execute_exactly", without_the_last_page)
        assert school.push().failed == 1
    (visit,) = visits(school)
    assert [row["pianoId"] for row in visit["pianos"]] == pianos
    assert services(school, late) == []
    assert "the visit's pianos cannot be read to the end (100 of 110)" in school.row(late)["sync_error"]
    assert school.push().succeeded
    assert services(school, late) == ["Venu plus tard"]


def test_our_visit_is_found_among_more_than_a_page_of_the_clients(school: EditedShop) -> None:
    (first,) = visited(school, 1)
    (ours,) = visits(school)
    for minute in range(5):
        other = {**ours, "start": f"2026-07-01T11:{minute:02}:00Z", "notes": "à la main"}
        school.shop.admin.create("events", **{name: value for name, value in other.items() if name != "id"})
    school.shop.admin.settings(max_page_size=2)
    (late,) = pianos_of(school, 1)
    school.edit(late, travail="Venu plus tard", completed_at=EARLY)
    assert school.push().succeeded
    (visit,) = visits(school)
    assert [row["pianoId"] for row in visit["pianos"]] == [first, late]


def visited(school: EditedShop, count: int) -> list[str]:
    """The pianos of a visit of ours, which was completed."""
    pianos = pianos_of(school, count)
    school.edit(pianos[0], travail="Accord", completed_at=EARLY)
    assert school.push().succeeded
    (visit,) = visits(school)
    listed = [{"pianoId": piano, "isTuning": True} for piano in pianos]
    school.shop.admin.edit("events", visit["id"], pianos=listed)
    return pianos


def test_an_outage_right_after_a_completion_does_not_make_it_twice(
    school: EditedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gazelle has the note by then: that it cannot be asked about the others is no reason to say it again."""
    inner, asked = VisitTransport._noted, []

    def unreachable_the_second_time(transport: VisitTransport, visit: Remote, action: Action) -> Any:
        asked.append(visit.id)
        if len(asked) == 2:
            raise ApiUnreachable("PushRead", "connection refused", was_sent=False)
        return inner(transport, visit, action)

    first, second = pianos_of(school, 2)
    school.edit(first, travail="Premier", completed_at=LATE)
    school.push()
    monkeypatch.setattr(VisitTransport, "_noted", unreachable_the_second_time)
    school.edit(second, travail="Second", completed_at=LATE)
    for _ in range(2):
        school.push()
    assert len(asked) == 2
    assert (services(school, first), services(school, second)) == (["Premier"], ["Second"])


def test_another_day_is_another_visit(school: EditedShop) -> None:
    (piano,) = pianos_of(school, 1)
    school.edit(piano, travail="Accord", completed_at=EARLY)
    school.push()
    school.edit(piano, completed_at=datetime(2026, 10, 1, 16, tzinfo=UTC))
    school.push()
    assert len(visits(school)) == 2
    assert services(school, piano) == ["Accord", "Accord"]


@pytest.mark.parametrize("kind", ["close_after", "reset"])
@pytest.mark.parametrize("operation", ["PushVisitCreated", "PushVisitCompleted", "PushVisitChanged"])
def test_lost_answers_make_no_second_visit_and_no_second_entry(school: EditedShop, operation: str, kind: str) -> None:
    pianos = pianos_of(school, 3)
    for piano in pianos:
        school.edit(piano, travail=f"Accord de {piano}", completed_at=EARLY)
    school.shop.admin.fault(kind, operation=operation, times=2)
    for _ in range(5):
        school.push()
        school.let_doubts_pass()
    assert len(visits(school)) == 1
    assert [services(school, piano) for piano in pianos] == [[f"Accord de {piano}"] for piano in pianos]


def test_a_visit_that_gazelle_makes_after_a_bad_answer_stays_the_only_one_of_its_day(school: EditedShop) -> None:
    pianos = pianos_of(school, 3)
    for piano in pianos:
        school.edit(piano, travail=f"Accord de {piano}", completed_at=EARLY)
    school.shop.admin.fault("late", operation="PushVisitCreated", seconds=0.8)
    deadline = time.monotonic() + 20
    while not school.push().succeeded:
        assert time.monotonic() < deadline
        if visits(school):
            school.let_doubts_pass()
    assert len(visits(school)) == 1
    assert [services(school, piano) for piano in pianos] == [[f"Accord de {piano}"] for piano in pianos]


def test_the_technician_is_who_did_it_if_they_can_be_scheduled(school: EditedShop) -> None:
    users = [user for user in school.shop.admin.dump("users") if user["isSchedulable"]]
    first, second = pianos_of(school, 2)
    school.edit(first, travail="a", completed_at=EARLY, updated_by=users[-1]["email"].upper())
    school.edit(second, travail="b", completed_at=LATE.replace(day=5), updated_by="nobody@exemple.example")
    school.push()
    by_day = {visit["start"][:10]: visit["userId"] for visit in visits(school)}
    assert by_day == {"2026-07-01": users[-1]["id"], "2026-07-05": users[0]["id"]}


def test_an_inactive_piano_gets_no_visit(school: EditedShop) -> None:
    (piano,) = pianos_of(school, 1)
    school.shop.admin.edit("pianos", piano, status="INACTIVE")
    school.edit(piano, travail="Accord", completed_at=EARLY)
    assert school.push().failed == 1
    assert visits(school) == []
    assert "inactive" in school.row(piano)["sync_error"]


def test_visits_do_not_go_with_rest() -> None:
    with pytest.raises(SettingsError, match="GAZELLE_PUSH_TRANSPORT=graphql"):
        Settings.load({"GAZELLE_PUSH_TRANSPORT": "rest", "GAZELLE_PUSH_SERVICE": "event"})
