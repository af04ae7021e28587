"""`GAZELLE_PUSH_SERVICE=event`: work becomes visits, one a day for an institution."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gazelle_sync.errors import ApiUnreachable, SettingsError
from gazelle_sync.push.model import Action
from gazelle_sync.push.transports.visits import VisitTransport
from gazelle_sync.settings import Settings
from gazelle_sync_tests.pushing import Office
from gazelle_sync_tests.shop import Shop

LATE = datetime(2026, 7, 2, 3, 30, tzinfo=UTC)
"""Half past eleven in the evening of the first in Montreal."""
EARLY = datetime(2026, 7, 1, 13, tzinfo=UTC)


@pytest.fixture
def school(new_shop: Shop) -> Office:
    return Office(new_shop, "graphql", "event")


def pianos_of(school: Office, count: int) -> list[str]:
    client = school.record(school.piano())["clientId"]
    made = [school.shop.admin.create("pianos", clientId=client, status="ACTIVE", make="Yamaha") for _ in range(count)]
    return [piano["id"] for piano in made]


def visits(school: Office) -> list[dict[str, Any]]:
    return [event for event in school.shop.admin.dump("events") if "gazelle_sync" in (event.get("notes") or "")]


def services(school: Office, piano: str) -> list[str]:
    entries = school.shop.admin.dump("timeline")
    return [e["comment"] for e in entries if e.get("pianoId") == piano and e["type"] == "SERVICE_ENTRY_MANUAL"]


def test_an_institutions_day_is_one_visit_and_every_piano_has_its_history(school: Office) -> None:
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


def test_a_completion_that_replaces_what_an_earlier_one_noted_loses_nothing(
    school: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API does not say which it does; the sandbox adds, this one replaces."""
    inner = VisitTransport._complete

    def replacing(transport: VisitTransport, visit: dict[str, Any], notes: list[dict[str, Any]]) -> Any:
        pianos = {node["piano"]["id"] for node in visit["allEventPianos"]["nodes"]}
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


def test_an_outage_right_after_a_completion_does_not_make_it_twice(
    school: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gazelle has the note by then: that it cannot be asked about the others is no reason to say it again."""
    inner, asked = VisitTransport._noted, []

    def unreachable_the_second_time(transport: VisitTransport, visit: dict[str, Any], action: Action) -> Any:
        asked.append(visit["id"])
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


def test_another_day_is_another_visit(school: Office) -> None:
    (piano,) = pianos_of(school, 1)
    school.edit(piano, travail="Accord", completed_at=EARLY)
    school.push()
    school.edit(piano, completed_at=datetime(2026, 10, 1, 16, tzinfo=UTC))
    school.push()
    assert len(visits(school)) == 2
    assert services(school, piano) == ["Accord", "Accord"]


@pytest.mark.parametrize("kind", ["close_after", "reset"])
@pytest.mark.parametrize("operation", ["PushVisitCreated", "PushVisitCompleted", "PushVisitChanged"])
def test_lost_answers_make_no_second_visit_and_no_second_entry(school: Office, operation: str, kind: str) -> None:
    pianos = pianos_of(school, 3)
    for piano in pianos:
        school.edit(piano, travail=f"Accord de {piano}", completed_at=EARLY)
    school.shop.admin.fault(kind, operation=operation, times=2)
    for _ in range(3):
        school.push()
    assert len(visits(school)) == 1
    assert [services(school, piano) for piano in pianos] == [[f"Accord de {piano}"] for piano in pianos]


def test_the_technician_is_who_did_it_if_they_can_be_scheduled(school: Office) -> None:
    users = [user for user in school.shop.admin.dump("users") if user["isSchedulable"]]
    first, second = pianos_of(school, 2)
    school.edit(first, travail="a", completed_at=EARLY, updated_by=users[-1]["email"].upper())
    school.edit(second, travail="b", completed_at=LATE.replace(day=5), updated_by="nobody@exemple.example")
    school.push()
    by_day = {visit["start"][:10]: visit["userId"] for visit in visits(school)}
    assert by_day == {"2026-07-01": users[-1]["id"], "2026-07-05": users[0]["id"]}


def test_an_inactive_piano_gets_no_visit(school: Office) -> None:
    (piano,) = pianos_of(school, 1)
    school.shop.admin.edit("pianos", piano, status="INACTIVE")
    school.edit(piano, travail="Accord", completed_at=EARLY)
    assert school.push().failed == 1
    assert visits(school) == []
    assert "inactive" in school.row(piano)["sync_error"]


def test_visits_do_not_go_with_rest() -> None:
    with pytest.raises(SettingsError, match="GAZELLE_PUSH_TRANSPORT=graphql"):
        Settings.load({"GAZELLE_PUSH_TRANSPORT": "rest", "GAZELLE_PUSH_SERVICE": "event"})
