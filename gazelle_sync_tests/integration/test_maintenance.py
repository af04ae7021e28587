"""Notes become alerts: a month in the sandbox, people's decisions, the digest, and what goes wrong."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gazelle_sync.errors import SettingsError
from gazelle_sync.notifications.notices import post
from gazelle_sync.pull.context import Mode
from gazelle_sync.shop.maintenance import scan as scanning
from gazelle_sync.shop.maintenance.alerts import Wanted, decide, read_alert, read_lists
from gazelle_sync.shop.maintenance.digest import take_digest
from gazelle_sync.shop.maintenance.scan import ScanReport, scan
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.evaluating import assert_passes, look_at
from gazelle_sync_tests.support.holding import held, wait_for_the_lock
from gazelle_sync_tests.support.shop import Shop

OF_THE_PIANO = "SELECT status, resolved_by_external_id FROM maintenance_alerts WHERE piano_external_id = %s"


@dataclass
class Month:
    """A piano to which notes are written at Gazelle."""

    shop: Shop
    piano: dict[str, str]
    first: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(days=30))

    def notes(self, day: int, text: str, **more: str) -> str:
        at = (self.first + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")
        owner = {"clientId": self.piano["clientId"], "pianoId": self.piano["id"], "type": "SERVICE_ENTRY_MANUAL"}
        made = self.shop.admin.create("timeline", **{"occurredAt": at, "comment": text, "summary": "", **owner, **more})
        return str(made["id"])

    def read(self, mode: Mode = Mode.TICK) -> ScanReport:
        self.shop.sync(mode)
        return scan(self.shop.settings)

    def lists(self) -> dict[str, set[tuple[str, str]]]:
        """List → kind and source of the alerts of this piano."""
        found = read_lists(self.shop.settings, Wanted(client=self.piano["clientId"]))
        return {
            name: {
                (row["kind"], row["source_external_id"]) for row in rows if row["piano_external_id"] == self.piano["id"]
            }
            for name, rows in found.items()
        }


@pytest.fixture
def month(shop: Shop) -> Month:
    """A piano without any note so far."""
    client = shop.admin.create("clients", companyName="Salle des Essais")["id"]
    piano = shop.admin.create("pianos", clientId=client, make="Pratte", location="Foyer")
    shop.sync()
    scan(shop.settings)
    shop.query("UPDATE maintenance_alerts SET notified_at = now()")
    return Month(shop, piano)


def test_a_month_of_notes_ends_in_the_lists_that_a_person_would_make(month: Month) -> None:
    cover = month.notes(1, "Housse retirée. 21C, 39%.")
    month.notes(2, "Toujours sans housse.")
    power = month.notes(2, "PLS débranché")
    tank = month.notes(3, "Réservoir vide, à remplir")
    month.notes(3, "Lampe débranchée. 21C, 39%.")
    typed = month.notes(4, "Fenêtre ouverte")
    gone = month.notes(5, "Humidité 72 %")
    month.notes(4, "Rappel: votre humidificateur est débranché?", type="CONTACT_EMAIL_AUTOMATED")
    first = month.read()
    assert (first.opened, first.resolved) == (4, 0), "what is said of the climate is one alert"
    month.notes(9, "PLS rebranché, housse replacée. 20C, 33%.")
    month.notes(10, "Réservoir pas encore rempli")
    month.shop.admin.edit("timeline", typed, comment="Fenêtre fermée")
    month.shop.admin.delete("timeline", gone)
    again = month.notes(12, "Housse encore enlevée par les élèves")
    month.read(Mode.DEEP)
    assert month.lists() == {
        "open": {("reservoir", tank), ("housse", again)},
        "suggested": set(),
        "resolved": {("housse", cover), ("alimentation", power)},
        "archived": set(),
    }
    [row] = month.shop.query(
        "SELECT client IS NOT NULL, piano IS NOT NULL, note, resolved_by FROM v_maintenance_resolved "
        "WHERE source_external_id = %s", power,
    )  # fmt: skip
    assert row == (True, True, "PLS débranché", "PLS rebranché, housse replacée. 20C, 33%.")
    statuses = dict(month.shop.query("SELECT source_external_id, status FROM maintenance_alerts"))
    assert statuses[typed] == "withdrawn"
    assert gone not in statuses
    assert_passes(month.shop, "maintenance_sources")
    assert_passes(month.shop, "maintenance_read")


def test_a_second_scan_writes_nothing_and_reading_all_again_changes_nothing(month: Month) -> None:
    month.notes(1, "PLS débranché")
    month.notes(2, "peut-être la housse manquante ?")
    month.read()
    before = month.shop.query("SELECT * FROM maintenance_alerts ORDER BY id")
    assert month.read() == ScanReport()
    assert scan(month.shop.settings, everything=True).opened == 0
    assert month.shop.query("SELECT * FROM maintenance_alerts ORDER BY id") == before


def test_everything_read_and_written_some_at_a_time_comes_to_the_same(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history is read so: no more of it is in memory than of a short one."""
    moved = month.notes(1, "PLS débranché")
    month.read()
    other = month.shop.admin.create("pianos", clientId=month.piano["clientId"], make="Willis")
    month.shop.admin.edit("timeline", moved, pianoId=other["id"])
    month.notes(3, "Humidité 80 %")
    month.notes(6, "22C, 41%")
    month.shop.sync(Mode.DEEP)
    month.shop.query("DELETE FROM maintenance_alerts WHERE id % 3 = 0")
    with monkeypatch.context() as patch:
        patch.setattr(scanning, "PAGE", 7)
        done = scan(month.shop.settings, everything=True)
    assert done.opened > 1
    queries = (
        "SELECT * FROM maintenance_alerts ORDER BY id",
        "SELECT * FROM maintenance_findings ORDER BY source_external_id, alert_type",
    )
    before = [month.shop.query(query) for query in queries]
    assert len(before[0]) > 2 * 7
    again = scan(month.shop.settings, everything=True)
    assert (again.notes, again.opened, again.resolved, again.withdrawn) == (done.notes, 0, 0, 0)
    assert [month.shop.query(query) for query in queries] == before
    place = "SELECT piano_external_id FROM maintenance_alerts WHERE source_external_id = %s"
    assert month.shop.value(place, moved) == other["id"]


def test_a_note_that_arrives_late_is_put_where_it_belongs(month: Month) -> None:
    month.notes(9, "Réservoir rempli")
    month.read()
    late = month.notes(5, "Réservoir vide")
    month.read()
    assert month.lists()["open"] == set()
    assert month.lists()["resolved"] == {("reservoir", late)}
    later = month.notes(11, "Réservoir vide")
    month.read()
    assert month.lists()["open"] == {("reservoir", later)}


def test_an_ordinary_reading_ends_what_a_reading_opened_whenever_it_came(month: Month) -> None:
    month.notes(9, "21C, 45%")
    month.read()
    high = month.notes(5, "22C, 78%")
    words = month.notes(12, "Humidité trop haute")
    month.notes(14, "21C, 44%")
    month.read()
    assert month.lists()["resolved"] == {("environnement", high)}
    assert month.lists()["open"] == {("environnement", words)}


def test_a_note_that_is_moved_to_another_piano_takes_its_alert_along(month: Month) -> None:
    note = month.notes(1, "PLS débranché")
    month.read()
    other = month.shop.admin.create("pianos", clientId=month.piano["clientId"])
    month.shop.admin.edit("timeline", note, pianoId=other["id"])
    month.read(Mode.DEEP)
    found = "SELECT piano_external_id, status FROM maintenance_alerts WHERE source_external_id = %s"
    assert month.shop.query(found, note) == [(other["id"], "open")]


def test_what_people_decide_stays_whichever_tool_they_use(month: Month) -> None:
    cover, power, tank = (
        month.notes(day, text) for day, text in enumerate(("Sans housse", "PLS débranché", "Réservoir vide"))
    )
    month.read()
    keys = dict(month.shop.query("SELECT source_external_id, id FROM maintenance_alerts"))
    [resolved] = decide(month.shop.settings, [keys[cover]], "resolved", "Anne")
    assert resolved["status"] == "resolved"
    month.shop.query("UPDATE maintenance_alerts SET archived = true WHERE id = %s", keys[power])
    month.shop.query("UPDATE maintenance_alerts SET is_resolved = true WHERE id = %s", keys[tank])
    scan(month.shop.settings, everything=True)
    assert month.lists()["archived"] == {("alimentation", power)}
    assert month.lists()["resolved"] == {("housse", cover), ("reservoir", tank)}
    history = read_alert(month.shop.settings, keys[cover])["history"]
    assert [(one["status"], one["made_by"]) for one in history] == [("open", "scan"), ("resolved", "Anne")]
    decide(month.shop.settings, [keys[cover]], "open")
    scan(month.shop.settings)
    assert month.lists()["open"] == {("housse", cover)}
    with pytest.raises(SettingsError, match="no alert 999"):
        decide(month.shop.settings, [999], "archived")


def test_an_alert_that_was_imported_is_resolved_by_a_later_note_and_never_withdrawn(month: Month) -> None:
    insert = (
        "INSERT INTO maintenance_alerts (external_id, piano_external_id, alert_type, date_observation, created_by) "
        "VALUES (%s, %s, 'housse', %s, 'import')"
    )
    day = (month.first - timedelta(days=100)).date()
    month.shop.query(insert, "v4_MaintenanceAlerts_1", month.piano["id"], day)
    month.read()
    assert month.shop.query(OF_THE_PIANO, month.piano["id"]) == [("open", None)]
    assert_passes(month.shop, "maintenance_sources")
    note = month.notes(3, "Housse remise")
    month.read()
    assert month.shop.query(OF_THE_PIANO, month.piano["id"]) == [("resolved", note)]


def test_the_digest_tells_what_is_open_and_new_once_and_nothing_old(month: Month) -> None:
    month.notes(29, "Housse manquante")
    month.notes(29, "Réservoir vide ?")
    month.notes(1, "PLS débranché")
    month.read()
    settings = month.shop.settings
    told = post(settings, "maintenance_digest", (), lambda connection: take_digest(connection, "fr"))
    assert told is not None
    assert (told.alerts, "Housse manquante" in told.text, "débranché" in told.text) == (1, True, False)
    assert post(settings, "maintenance_digest", (), lambda connection: take_digest(connection, "fr")) is None
    [(kind, state, title)] = month.shop.query("SELECT kind, state, title FROM alert_log WHERE kind = 'notice'")
    assert (kind, state, title) == ("notice", "recovered", told.title)


def test_a_scan_that_dies_has_done_nothing_and_the_next_one_does_it(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    month.notes(1, "PLS débranché")
    month.shop.sync()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scanning, "_alerts", die)
    with pytest.raises(KeyboardInterrupt):
        scan(month.shop.settings)
    assert month.shop.query(OF_THE_PIANO, month.piano["id"]) == []
    assert month.shop.value("SELECT count(*) FROM maintenance_unread") == 1
    monkeypatch.undo()
    assert scan(month.shop.settings).opened == 1


def test_a_scan_that_is_killed_has_done_nothing_and_the_next_one_does_it(person: Person) -> None:
    shop = person.shop
    client = shop.admin.create("clients", companyName="Salle des Essais")["id"]
    piano = shop.admin.create("pianos", clientId=client, make="Pratte", location="Foyer")
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    owner = {"clientId": piano["clientId"], "pianoId": piano["id"], "type": "SERVICE_ENTRY_MANUAL", "summary": ""}
    note = shop.admin.create("timeline", occurredAt=at, comment="PLS débranché", **owner)["id"]
    shop.sync()
    found = "SELECT status FROM maintenance_alerts WHERE source_external_id = %s"
    with held(shop, "maintenance_findings"):
        pid = person.begins("alerts", "scan")
        wait_for_the_lock(shop)
        assert person.stops(pid, signal.SIGKILL).returncode == -signal.SIGKILL
    assert shop.query(found, note) == []
    assert shop.value("SELECT count(*) FROM maintenance_unread") == 1
    ended = person.runs("alerts", "scan", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert shop.query(found, note) == [("open",)]
    assert person.runs("alerts", "scan", "--json").returncode == 0
    assert shop.query(found, note) == [("open",)]


def test_a_part_of_a_loaded_page_is_noted_in_one_row_and_a_few_notes_one_by_one(new_shop: Shop) -> None:
    for first, last in ((1, 99), (101, 600)):
        new_shop.query(
            "INSERT INTO gazelle_timeline_entries (external_id, occurred_at, title) "
            "SELECT 'tme_x' || n, now(), 'Accord' FROM generate_series(%s::int, %s) AS n",
            first,
            last,
        )
    noted = new_shop.query("SELECT source_external_id FROM maintenance_unread")
    assert (len(noted), noted.count((None,))) == (100, 1)
    new_shop.query("DELETE FROM maintenance_unread")
    new_shop.query("DELETE FROM gazelle_timeline_entries")
    assert new_shop.query("SELECT source_external_id FROM maintenance_unread") == [(None,)]


def test_two_scans_at_once_open_one_alert(month: Month) -> None:
    month.notes(1, "PLS débranché")
    month.shop.sync()
    reports: list[ScanReport] = []
    threads = [threading.Thread(target=lambda: reports.append(scan(month.shop.settings))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.opened for report in reports) == [0, 0, 1]
    assert month.shop.query(OF_THE_PIANO, month.piano["id"]) == [("open", None)]


def test_the_checks_see_a_note_that_says_it_no_more_and_notes_that_nobody_reads(month: Month) -> None:
    note = month.notes(1, "PLS débranché")
    month.read()
    month.shop.query("UPDATE gazelle_timeline_entries SET description = 'Accord' WHERE external_id = %s", note)
    month.shop.query("UPDATE maintenance_unread SET changed_at = now() - interval '2 days'")
    assert not look_at(month.shop, "maintenance_read").passed
    month.shop.query("DELETE FROM maintenance_unread")
    found = look_at(month.shop, "maintenance_sources")
    assert not found.passed
    assert "alerts scan --all" in str(found.advice)
    scan(month.shop.settings, everything=True)
    assert_passes(month.shop, "maintenance_sources")


def test_only_clients_in_scope_are_read_and_some_ask_for_a_low_humidity(month: Month) -> None:
    month.notes(1, "Sans housse")
    month.notes(2, "20C, 33%")
    month.shop.sync()
    nobody = month.shop.settings.replace(maintenance_clients=("Nobody",))
    assert scan(nobody).withdrawn > 0
    assert month.lists()["open"] == set()
    asked = month.shop.settings.replace(maintenance_low_humidity_clients=(month.piano["clientId"],))
    assert scan(asked).is_whole, "other settings: everything is read again"
    assert {kind for kind, _ in month.lists()["open"]} == {"housse", "environnement"}
