"""`gazelle-sync calendar` as people and programs use it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gazelle_sync.cli.app import main
from gazelle_sync.i18n.translator import translator
from gazelle_sync.monitoring.report import render_report
from gazelle_sync.montreal import MONTREAL, montreal_day, spoken_instant, spoken_lately, wall_clock
from gazelle_sync.settings import Settings
from gazelle_sync.shop.calendar.agenda import Entry, read_agenda, render_agenda
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
        ("9999-12-31 23:59", "lies outside the calendar"),
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


@pytest.mark.parametrize("visit", ["9" * 30, "9" * 5000, "0"])
def test_a_number_that_no_draft_has_is_refused(diary: Diary, run: Run, visit: str) -> None:
    ran = run("move", visit, "--start", f"{TOMORROW} 11:00")
    assert ran.exit_code == 1
    assert "There is no draft" in ran.stderr
    assert diary.query("SELECT FROM appointment_drafts") == []


@pytest.mark.parametrize("event", ["²", "٣"])
def test_what_is_no_number_of_a_draft_is_an_events_id(diary: Diary, run: Run, event: str) -> None:
    for day in range(3):
        diary.draft(f"2027-03-0{day + 2} 09:00")
    assert f"there is no event {event}" in run("cancel", event).stdout
    assert diary.query("SELECT appointment_external_id FROM appointment_drafts WHERE action = 'cancel'") == [(event,)]
    assert diary.query("SELECT FROM appointment_drafts WHERE status = 'canceled'") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("new", "--title", "caf\udce9"), ("new", "--piano", "caf\udce9"), ("cancel", "caf\udce9"),
        ("agenda", "--technician", "caf\udce9"), ("feed", "--technician", "caf\udce9"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text_are_refused(diary: Diary, run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.exit_code == 1
    assert ran.stderr.endswith("✗ 'caf\\xe9' is not written in UTF-8.\n")
    assert diary.query("SELECT FROM appointment_drafts") == []


def test_that_a_visit_goes_in_spite_of_conflicts_is_said_where_there_are_some(diary: Diary, run: Run) -> None:
    arguments = ("new", "--client", SCHOOL, "--technician", ANNE, "--start", f"{TOMORROW} 09:00", "--force")
    assert "in spite of" not in run(*arguments).stderr
    said = run(*arguments).stderr
    assert "will be sent in spite of conflicts" in said
    assert "draft:1" in said


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


def test_overlaps_are_said_with_their_year_as_each_language_says_it(diary: Diary, run: Run) -> None:
    first, second = diary.event("2026-12-01 07:00"), diary.event("2026-12-01 07:30")
    said = f"{ANNE}, {first}, {second}\n"
    assert run("conflicts").stdout == f"Tuesday, December 1, 2026, 7:30: {said}"
    french = run("conflicts", GAZELLE_LANG="fr").stdout
    assert french == f"mardi 1er décembre 2026, 7\u00a0h\u00a030\u00a0: {said}"


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


def test_what_was_moved_or_cancelled_is_so_in_the_agenda_before_a_pull_has_brought_it(diary: Diary) -> None:
    before, after = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)
    confirmed: dict[str, Any] = {"confirmed_at": before, "synced_at": before}
    moved, gone, stays = (diary.event(f"2026-12-01 {hour}:00", **confirmed) for hour in ("09", "11", "13"))
    sent = {"status": "sent", "needs_sync": False, "last_synced_at": after}
    move = {"action": "move", "technician_external_id": None, "client_external_id": None, "duration_minutes": None}
    diary.draft("2026-12-01 15:00", appointment_external_id=moved, **move, **sent)
    diary.draft("2026-12-01 16:00", appointment_external_id=moved, **move, **sent)
    diary.draft(None, appointment_external_id=gone, **{**move, "action": "cancel"}, **sent)
    found = [(one.external_id, one.at, one.is_confirmed) for one in read_agenda(diary.connection, date(2026, 12, 1), 1)]
    assert found == [(stays, time(13), True), (moved, time(16), True)]
    diary.query("UPDATE gazelle_appointments SET synced_at = now() + interval '1 minute'")
    again = read_agenda(diary.connection, date(2026, 12, 1), 1)
    assert [one.at for one in again] == [time(9), time(11), time(13)], "a pull has brought what is so"


def test_the_agenda_is_printed_for_programs(diary: Diary, run: Run) -> None:
    event = diary.event(f"{TOMORROW} 09:00")
    (found,) = json.loads(run("agenda", "--technician", ANNE, "--json").stdout)
    assert found["external_id"] == event
    assert (found["day"], found["at"], found["is_confirmed"]) == (str(TOMORROW), "09:00", False)
    assert "not confirmed" in run("agenda").stdout
    assert run("agenda", "--technician", BEN).stdout == "Nothing is planned.\n"


def test_a_time_is_said_as_each_language_says_it() -> None:
    french, english = translator("fr"), translator("en")
    assert [french.time(time(7, minute)) for minute in (0, 5)] == ["7\u00a0h", "7\u00a0h\u00a005"]
    assert english.time(time(7, 5)) == "7:05"
    assert french.date(date(2026, 12, 1), year=False) == "mardi 1er décembre"
    assert spoken_instant(french, instant_of("2019-12-01 07:00")) == "dimanche 1er décembre 2019, 7\u00a0h"
    today = datetime.now(UTC)
    assert spoken_instant(french, today).startswith(french.date(montreal_day(today), year=False) + ", ")
    assert spoken_lately(english, today) == english.time(wall_clock(today).time())


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


@pytest.mark.parametrize(
    ("technician", "address", "said"),
    [
        ("usr_nobody", "mailto://anne:x@example.com", "There is no technician usr_nobody"),
        (ANNE, "nonsense", "does not understand"),
        (ANNE, "", "does not understand"),
    ],
)
def test_an_address_that_nobody_would_get_a_notice_at_is_refused(
    diary: Diary, run: Run, technician: str, address: str, said: str
) -> None:
    ran = run("contact", "--technician", technician, "--address", address)
    assert ran.exit_code != 0
    assert said in ran.stderr
    assert diary.query("SELECT FROM technician_contacts") == []


def test_a_file_that_cannot_be_written_is_said(diary: Diary, run: Run, tmp_path: Path) -> None:
    ran = run("export", "--technician", ANNE, "--out", str(tmp_path / "none" / "anne.ics"))
    assert ran.exit_code == 1
    assert "anne.ics" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_agenda_of_nobody_is_refused(run: Run) -> None:
    ran = run("agenda", "--technician", "usr_nobody")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "There is no technician usr_nobody" in ran.stderr


def test_a_calendar_is_written_to_a_file_and_a_feed_is_made_and_ended(diary: Diary, run: Run, tmp_path: Path) -> None:
    event = diary.event(f"{TOMORROW} 09:00")
    assert run("export", "--technician", ANNE, "--out", str(tmp_path / "anne.ics")).exit_code == 0
    assert f"UID:{event}@gazelle-sync\r\n".encode() in (tmp_path / "anne.ics").read_bytes()
    path = run("feed", "--technician", ANNE).stdout.strip()
    assert path.startswith("/")
    assert path.endswith(".ics")
    mistyped = run("feed", "--technician", f"{ANNE}x", "--revoke")
    assert (mistyped.exit_code, mistyped.stdout) == (1, ""), "the feed that was meant goes on"
    assert run("feed", "--technician", ANNE, "--revoke").stdout == "1 feed ended.\n"
    assert run("export", "--technician", "usr_nobody", "--out", str(tmp_path / "x.ics")).exit_code == 1


def test_the_report_says_who_is_where_how_long_there_is_to_get_there_and_who_has_not_confirmed(diary: Diary) -> None:
    diary.event(f"{TOMORROW} 07:00", title="Accord", confirmed_at=instant_of("2026-11-20 12:00"))
    diary.event(f"{TOMORROW} 09:30", client_external_id=HALL, title="Salle <Bécarre>")
    diary.draft(f"{TOMORROW} 13:00", title="Concert")
    settings = Settings(database_url=diary.url, language="fr")
    page = render_report(settings).replace("\N{NO-BREAK SPACE}", " ")
    said = re.findall(r"<td[^>]*>(.*?)</td>", page[page.index('<tr class="day">') :])
    say = translator("fr")
    assert said[:6] == [say.day(TOMORROW, say("EEEE, MMMM d")), "7 h", "Accord", "École du Nord", "Anne", ""]
    assert said[6:11] == [
        "9 h 30", "Salle &lt;Bécarre&gt;", "Salle Bécarre", "Anne", "90 min pour s&#39;y rendre · non confirmé",
    ]  # fmt: skip
    assert said[11:16] == ["13 h", "Concert", "École du Nord", "Anne", "brouillon 1 : pas encore chez Gazelle"]
