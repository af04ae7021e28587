"""`gazelle-sync calendar` as people and programs use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gazelle_sync.cli.app import main
from gazelle_sync.i18n.translator import translator
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.shop.calendar.agenda import Entry, read_agenda, render_agenda, spoken_instant, spoken_time
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync_tests.support.diary import ANNE, BEN, HALL, SCHOOL, Diary

Run = Callable[..., Result]
TOMORROW = (datetime.now(MONTREAL) + timedelta(days=1)).date()


@pytest.fixture
def run(diary: Diary, tmp_path: Path) -> Run:
    """Runs `gazelle-sync calendar` in this process."""

    def command(*arguments: str, **options: Any) -> Result:
        environment = {
            "GAZELLE_DATABASE_URL": diary.url, "GAZELLE_API_URL": "https://gazelle.example", "GAZELLE_LANG": "en",
            "GAZELLE_SYNC_HOME": str(tmp_path), "GAZELLE_DAGSTER_POSTGRES_URL": diary.url, **options,
        }  # fmt: skip
        with ThreadPoolExecutor(1) as thread:  # where a command leaves the process's signals alone
            return thread.submit(CliRunner().invoke, main, ["calendar", *arguments], env=environment).result()

    return command


def test_a_new_visit_is_stored_and_its_id_printed(diary: Diary, run: Run) -> None:
    start = f"{TOMORROW} 09:00"
    ran = run("new", "--client", SCHOOL, "--technician", ANNE, "--start", start, "--piano", "pno_school", "--json")
    assert ran.exit_code == 0, ran.output
    printed = json.loads(ran.stdout)
    assert diary.query("SELECT id, start_at, duration_minutes, title, pianos FROM appointment_drafts") == [
        (printed["id"], instant_of(start), 120, "École du Nord", ["pno_school"])
    ]
    assert json.loads(run("check", "--json").stdout) == [{"draft_id": printed["id"], "problems": []}]


def test_a_visit_with_problems_is_stored_too_and_check_says_which(diary: Diary, run: Run) -> None:
    taken = diary.event(f"{TOMORROW} 09:30")
    arguments = ("--client", SCHOOL, "--technician", ANNE, "--start", f"{TOMORROW} 09:00", "--duration", "60")
    ran = run("new", *arguments, "--json")
    assert ran.exit_code == 0
    assert "the technician is taken then: " + taken in ran.stderr
    checked = run("check", "--json")
    assert checked.exit_code == 1
    assert json.loads(checked.stdout) == [
        {
            "draft_id": json.loads(ran.stdout)["id"],
            "problems": [{"code": "conflict", "text": f"the technician is taken then: {taken}", "with": taken}],
        }
    ]
    french = run("check", "--json", GAZELLE_LANG="fr")
    assert f"déjà pris à ce moment\N{NO-BREAK SPACE}: {taken}" in french.stdout
    assert json.loads(run("new", *arguments, "--force", "--json").stdout)["id"]
    assert [len(one["problems"]) for one in json.loads(run("check", "--json").stdout)] == [1, 0]


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2027-03-14 02:30", "2027-03-14 01:59 and 2027-03-14 03:00"),
        ("2027-11-07 01:30", "--fold 0"),
        ("demain", "should look like"),
    ],
)
def test_an_hour_that_is_none_or_that_is_twice_stores_nothing(diary: Diary, run: Run, start: str, said: str) -> None:
    ran = run("new", "--client", SCHOOL, "--technician", ANNE, "--start", start, "--json")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert said in " ".join(ran.stderr.split())
    assert diary.query("SELECT FROM appointment_drafts") == []


def test_the_second_of_two_equal_hours_is_stored_when_it_is_asked_for(diary: Diary, run: Run) -> None:
    assert run("new", "--client", SCHOOL, "--start", "2027-11-07 01:30", "--fold", "1").exit_code == 0
    assert diary.query("SELECT start_at FROM appointment_drafts") == [(datetime(2027, 11, 7, 6, 30, tzinfo=UTC),)]


def test_visits_are_moved_confirmed_completed_and_cancelled_by_their_id(diary: Diary, run: Run) -> None:
    event = diary.event(f"{TOMORROW} 09:00")
    assert run("move", event, "--start", f"{TOMORROW} 11:00").exit_code == 0
    assert run("confirm", event).exit_code == 0
    assert run("complete", event, "--notes", "Accordé").exit_code == 0
    assert run("cancel", event, "--future").exit_code == 0
    rows = diary.query("SELECT action, start_at, notes, recurrence_change FROM appointment_drafts ORDER BY id")
    assert rows == [
        ("move", instant_of(f"{TOMORROW} 11:00"), None, "SELF"), ("confirm", None, None, "SELF"),
        ("complete", None, "Accordé", "SELF"), ("cancel", None, None, "FUTURE"),
    ]  # fmt: skip
    assert run("move", event).exit_code == 2
    assert run("cancel", "12345").exit_code == 1


def test_a_joint_visit_prints_the_other_drafts_too(diary: Diary, run: Run) -> None:
    ran = run(
        "new", "--client", SCHOOL, "--technician", ANNE, "--with", BEN, "--start", f"{TOMORROW} 09:00", "--json"
    )  # fmt: skip
    printed = json.loads(ran.stdout)
    rows = diary.query("SELECT id, technician_external_id FROM appointment_drafts ORDER BY id")
    assert rows == [(printed["id"], ANNE), (printed["joint_ids"][0], BEN)]


def test_overlaps_at_gazelle_are_listed(diary: Diary, run: Run) -> None:
    assert run("conflicts").exit_code == 0
    first, second = diary.event(f"{TOMORROW} 09:00"), diary.event(f"{TOMORROW} 09:30")
    ran = run("conflicts", "--days", "3", "--json")
    assert ran.exit_code == 1
    (found,) = json.loads(ran.stdout)
    assert (found["technician"], found["external_id"], found["with"]) == (ANNE, first, second)


def test_the_agenda_says_days_hours_gaps_and_who_has_not_confirmed_in_french(diary: Diary) -> None:
    confirmed = instant_of("2026-11-20 12:00")
    diary.event("2026-12-01 07:00", title="Accord", address_line="12, rue du Port", confirmed_at=confirmed)
    diary.event("2026-12-01 09:30", client_external_id=HALL, title="Salle Bécarre")
    diary.event("2026-12-01 10:15", client_external_id=None, event_type="PERSONAL", title="Dentiste")
    diary.event(
        "2026-12-01 00:00", BEN, client_external_id=None, event_type="MEMO", is_all_day=True, title="Inventaire"
    )
    diary.event("2026-12-01 08:00", status="CANCELED")
    diary.draft("2026-12-02 13:00")
    entries = read_agenda(diary.connection, date(2026, 12, 1), 2)
    said = render_agenda(translator("fr"), entries).replace("\N{NO-BREAK SPACE}", " ").splitlines()
    assert said == [
        "mardi 1er décembre",
        "  Anne",
        "         7 h  Accord · École du Nord · 60 min · 12, rue du Port",
        "      9 h 30  Salle Bécarre · 60 min · 90 min pour s'y rendre · non confirmé",
        "     10 h 15  Dentiste · personnel · 60 min · chevauche la précédente de 15 min",
        "  Ben",
        "    toute la journée  Inventaire · mémo",
        "",
        "mercredi 2 décembre",
        "  Anne",
        "        13 h  École du Nord · 120 min · brouillon 1 : pas encore chez Gazelle",
    ]
    assert read_agenda(diary.connection, date(2026, 12, 1), 1, BEN) == [entries[3]]


def test_the_agenda_is_printed_for_programs(diary: Diary, run: Run) -> None:
    event = diary.event(f"{TOMORROW} 09:00")
    (found,) = json.loads(run("agenda", "--technician", ANNE, "--json").stdout)
    assert found["external_id"] == event
    assert (found["day"], found["at"], found["is_confirmed"]) == (str(TOMORROW), "09:00", False)
    assert "not confirmed" in run("agenda").stdout
    assert run("agenda", "--technician", BEN).stdout == "Nothing is planned.\n"


def test_a_time_is_said_as_each_language_says_it() -> None:
    assert [spoken_time(translator("fr"), time(7, minute)) for minute in (0, 5)] == ["7\u00a0h", "7\u00a0h\u00a005"]
    assert spoken_time(translator("en"), time(7, 5)) == "7:05"
    assert spoken_instant(translator("fr"), instant_of("2026-12-01 07:00")) == "mardi 1er décembre, 7\u00a0h"


def test_a_visit_of_a_technician_alone_needs_no_confirmation() -> None:
    at = instant_of("2026-12-01 07:00")
    who, what = ("evt_1", ANNE, "Anne", None), ("Congé", "PERSONAL", "ACTIVE")
    assert not Entry(*who, *what, at.date(), None, at, 60, False, None, None, None).needs_confirmation


def test_a_technicians_address_is_set_and_taken_away_and_notices_are_listed(diary: Diary, run: Run) -> None:
    address = "mailto://anne:secret@example.com"
    ran = run("contact", "--technician", f" {ANNE}", "--address", address)
    assert (ran.exit_code, "secret" in ran.output) == (0, False)
    assert diary.query("SELECT technician_external_id, address, language FROM technician_contacts") == [
        (ANNE, address, "fr")
    ]
    assert run("notices").stdout == "Nobody was told anything.\n"
    diary.insert(
        "notices", kind="new", appointment_external_id="evt_1", technician_external_id=ANNE, montreal_day=TOMORROW,
        status="suppressed", reason="own", due_at=datetime.now(UTC),
    )  # fmt: skip
    assert run("notices").stdout == f"{TOMORROW}  Anne  new  evt_1  suppressed own\n"
    (found,) = json.loads(run("notices", "--json").stdout)
    assert (found["external_id"], found["status"], found["sent_at"]) == ("evt_1", "suppressed", None)
    assert run("contact", "--technician", ANNE).exit_code == 0
    assert diary.query("SELECT FROM technician_contacts") == []


def test_a_calendar_is_written_to_a_file_and_a_feed_is_made_and_ended(diary: Diary, run: Run, tmp_path: Path) -> None:
    event = diary.event(f"{TOMORROW} 09:00")
    assert run("export", "--technician", ANNE, "--out", str(tmp_path / "anne.ics")).exit_code == 0
    assert f"UID:{event}@gazelle-sync\r\n".encode() in (tmp_path / "anne.ics").read_bytes()
    path = run("feed", "--technician", ANNE).stdout.strip()
    assert path.startswith("/")
    assert path.endswith(".ics")
    assert run("feed", "--technician", ANNE, "--revoke").stdout == "1 feed ended.\n"
    assert run("export", "--technician", "usr_nobody", "--out", str(tmp_path / "x.ics")).exit_code == 1
