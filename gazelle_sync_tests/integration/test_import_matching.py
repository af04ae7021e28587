"""Imported records and Gazelle's own: matched, linked, proposed, giving way, and made again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from gazelle_sync.pull.context import Mode
from gazelle_sync.shop.csv_import.replay import replay_imports
from gazelle_sync.shop.csv_import.report import render_html, render_text
from gazelle_sync.shop.csv_import.session import Request, run_import
from gazelle_sync.shop.maintenance.alerts import decide
from gazelle_sync.shop.maintenance.scan import scan
from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.evaluating import assert_passes
from gazelle_sync_tests.support.importing import COUNTED, clients, everything, imported, rejections
from gazelle_sync_tests.support.old_files import table, write
from gazelle_sync_tests.support.shop import Shop


def test_what_gazelle_knows_keeps_its_id_and_its_columns(shop: Shop, tmp_path: Path) -> None:
    known = next(row for row in shop.admin.dump("clients") if shop.row("gazelle_clients", row["id"])["email"])
    before = shop.row("gazelle_clients", known["id"])
    piano = next(row for row in shop.rows("gazelle_pianos", "length(serial_number) >= 5 AND make IS NOT NULL"))
    found = imported(
        shop,
        tmp_path / "a",
        {
            "c.csv": clients(
                {"Id": 1, "CompanyName": "Autre nom", "ExternalId": known["id"], "Phone": "1"},
                {"Id": 2, "CompanyName": "Autre", "Email": str(before["email"]).upper()},
                {"Id": 3, "CompanyName": "Inconnu de Gazelle", "ExternalId": "cli_nullepart"},
            ),
            "p.csv": table(
                old.PIANOS,
                [
                    {
                        "Id": 5,
                        "ClientId": 1,
                        "Make": str(piano["make"]).upper(),
                        "SerialNumber": piano["serial_number"],
                    },
                    {"Id": "pno_abc", "ClientId": 3, "Make": "Heintzman", "SerialNumber": "B-204"},
                ],
            ),
        },
    )
    assert [one.counts["merged"] for one in found.values()] == [2, 1]
    assert shop.row("gazelle_clients", known["id"]) == before
    assert shop.row("gazelle_pianos", piano["external_id"]) == piano
    assert shop.row("gazelle_pianos", "v4_pianos_pno_abc")["client_external_id"] == "v4_clients_3"
    merged = shop.query("SELECT external_id FROM staging_import WHERE outcome = 'merged' ORDER BY entity, line")
    assert merged == [(known["id"],), (known["id"],), (piano["external_id"],)]


def test_a_key_that_several_have_matches_none_and_says_so(shop: Shop, tmp_path: Path) -> None:
    shop.query("UPDATE gazelle_pianos SET make = 'Yamaha', serial_number = '778899' WHERE id IN (1, 2)")
    row = {
        "Id": 1,
        "ClientId": shop.rows("gazelle_clients")[0]["external_id"],
        "Make": "Yamaha",
        "SerialNumber": "778899",
    }
    (one,) = imported(shop, tmp_path / "a", {"p.csv": table(old.PIANOS, [row])}).values()
    assert one.counts["imported"] == 1
    assert "several" in one.lines[0].reason


def timeline_rows(shop: Shop) -> tuple[list[dict[str, object]], dict[str, Any]]:
    """Two entries of an export, and Gazelle's own entry that the first of them is the twin of."""
    own = shop.rows(
        "gazelle_timeline_entries",
        "external_id LIKE 'tme%' AND length(description) > 5 AND piano_external_id IS NOT NULL "
        "AND duplicate_of IS NULL AND client_external_id IS NOT NULL",
    )[0]
    same = {
        "Client ID": own["client_external_id"], "Type": "note", "Comment": f"  {own['description'].upper()}\n",
        "Timestamp": f"{own['occurred_at'] + timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC",
        "Piano Token": own["piano_external_id"],
    }  # fmt: skip
    return [same, {**same, "Comment": "Autre chose"}, {**same, "Comment": "Autre chose", "Piano Token": ""}], own


def test_entries_are_known_by_all_their_columns_and_twins_are_linked(shop: Shop, tmp_path: Path) -> None:
    rows, own = timeline_rows(shop)
    days = shop.query("SELECT day, sum(entries) FROM sync_timeline_days GROUP BY day ORDER BY day")
    (one,) = imported(shop, tmp_path / "a", {"timelines.csv": table(old.TIMELINE, [*rows, rows[1]])}).values()
    assert one.counts == {"imported": 2, "merged": 2, "rejected": 0, "skipped": 0}, rejections(one)
    made = shop.rows("gazelle_timeline_entries", "external_id LIKE 'v4_%'")
    assert sorted((row["duplicate_of"] or "", row["piano_external_id"] or "") for row in made) == sorted(
        [(own["external_id"], own["piano_external_id"]), ("", own["piano_external_id"]), ("", "")]
    )
    assert shop.query("SELECT day, sum(entries) FROM sync_timeline_days GROUP BY day ORDER BY day") == days
    shop.admin.delete("timeline", own["external_id"])
    shop.sync(Mode.DEEP)
    assert shop.count("gazelle_timeline_entries", "external_id LIKE 'v4_%' AND duplicate_of IS NOT NULL") == 0


def test_a_twin_that_gazelle_has_later_is_linked_by_the_pull(shop: Shop, tmp_path: Path) -> None:
    rows, own = timeline_rows(shop)
    rows[0]["Comment"] = "Une note que Gazelle aura plus tard"
    (one,) = imported(shop, tmp_path / "a", {"timelines.csv": table(old.TIMELINE, rows[:1])}).values()
    assert one.counts["imported"] == 1, rejections(one)
    record = next(r for r in shop.admin.dump("timeline") if r["id"] == own["external_id"])
    shop.admin.create("timeline", **{**record, "id": "tme_plustard", "comment": "Une note que gazelle aura  plus tard"})
    shop.sync(Mode.DEEP)
    assert (
        shop.value("SELECT duplicate_of FROM gazelle_timeline_entries WHERE external_id LIKE 'v4_%'") == "tme_plustard"
    )
    shop.assert_equals_api()


def test_a_record_gives_way_when_gazelle_has_it_with_its_number_and_its_children(shop: Shop, tmp_path: Path) -> None:
    imported(shop, tmp_path / "a", old.sqlite_set())
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES ('v4_pianos_1', 'Reste ici')")
    numbers = {t: shop.row(f"gazelle_{t}", f"v4_{t}_1")["id"] for t in ("clients", "pianos", "contacts", "invoices")}
    taken = shop.admin.dump("clients")[0]
    contact = next(c for c in shop.admin.dump("contacts") if c["clientId"] == taken["id"] and c["isDefault"])
    piano = next(p for p in shop.admin.dump("pianos"))
    shop.admin.edit("pianos", piano["id"], make="YAMAHA", serialNumber="4455667", clientId=taken["id"])
    shop.query("UPDATE staging_import SET gazelle_id = %s WHERE external_id = 'v4_clients_1'", taken["id"])
    shop.sync()
    assert shop.row("gazelle_clients", taken["id"])["id"] == numbers["clients"]
    assert shop.row("gazelle_pianos", piano["id"])["id"] == numbers["pianos"]
    assert shop.count("gazelle_clients", "external_id = 'v4_clients_1'") == 0
    assert shop.row("gazelle_contacts", "v4_contacts_1")["client_external_id"] == taken["id"]
    assert shop.row("gazelle_appointments", "v4_appointments_1")["piano_external_id"] == piano["id"]
    assert shop.row("gazelle_invoice_items", "v4_invoice_items_1")["piano_external_id"] == piano["id"]
    assert shop.value("SELECT gazelle_id FROM vincent_dindy_piano_updates") == piano["id"]
    assert shop.value("SELECT external_id FROM push_state") == piano["id"]
    assert contact["id"] in {row["external_id"] for row in shop.rows("gazelle_contacts")}
    shop.assert_nothing_dangles()
    shop.assert_equals_api()
    before = everything(shop)
    again = imported(shop, tmp_path / "a", old.sqlite_set())
    assert everything(shop) == before
    assert all(one.counts["imported"] == 0 for one in again.values())


def test_imported_notes_are_read_for_alerts_and_imported_mails_are_none(shop: Shop, tmp_path: Path) -> None:
    rows, own = timeline_rows(shop)
    told = [
        {**rows[0], "Type": kind, "Timestamp": f"2019-05-0{day} 12:00:00 UTC", "Comment": "PLS débranché"}
        for day, kind in enumerate(("service", "email"), 1)
    ]
    (one,) = imported(shop, tmp_path / "a", {"timelines.csv": table(old.TIMELINE, told)}).values()
    assert one.counts["imported"] == 2
    scan(shop.settings)
    sources = [row["source_external_id"] for row in shop.rows("maintenance_findings", "observed_at < '2020-01-01'")]
    [service] = shop.rows("gazelle_timeline_entries", "entry_type = 'SERVICE'")
    assert [source for source in sources if source.startswith("v4_")] == [service["external_id"]]
    assert service["piano_external_id"] == own["piano_external_id"]


def test_alerts_that_name_an_imported_record_follow_it(shop: Shop, tmp_path: Path) -> None:
    notes = [
        {"Id": number, "ClientId": 1, "PianoId": 1, "OccurredAt": f"2021-06-0{number} 10:00", "EntryType": "note",
         "Details": text}
        for number, text in enumerate(("PLS débranché", "PLS rebranché", "Housse enlevée"), 1)
    ]  # fmt: skip
    imported(shop, tmp_path / "a", {**old.sqlite_set(), "TimelineEntries.csv": table(old.ENTRIES, notes)})
    scan(shop.settings)
    alerts = (
        "SELECT alert_type, status, client_external_id, piano_external_id, source_external_id, "
        "resolved_by_external_id FROM maintenance_alerts WHERE id = ANY (%s) ORDER BY alert_type"
    )
    keys = [row["id"] for row in shop.rows("maintenance_alerts", "piano_external_id = 'v4_pianos_1'")]
    own = [f"v4_timeline_entries_{number}" for number in (1, 2, 3)]
    assert shop.query(alerts, keys) == [
        ("alimentation", "resolved", "v4_clients_1", "v4_pianos_1", own[0], own[1]),
        ("housse", "open", "v4_clients_1", "v4_pianos_1", own[2], None),
    ]
    [cover] = (row["id"] for row in shop.rows("maintenance_alerts", "source_external_id = 'v4_timeline_entries_3'"))
    decide(shop.settings, [cover], "archived", "Anne")
    client = shop.admin.dump("clients")[0]
    piano = shop.admin.create("pianos", make="YAMAHA", serialNumber="4455667", clientId=client["id"])
    ids = []
    for note, at in zip(own, ("2021-06-01", "2021-06-02", "2021-06-03"), strict=True):
        text = next(row["Details"] for row in notes if note.endswith(str(row["Id"])))
        made = shop.admin.create(
            "timeline", occurredAt=f"{at}T14:00:00Z", comment=text, summary="", clientId=client["id"],
            pianoId=piano["id"], type="SERVICE_ENTRY_MANUAL",
        )  # fmt: skip
        ids.append(made["id"])
        shop.query("UPDATE staging_import SET gazelle_id = %s WHERE external_id = %s", made["id"], note)
    shop.query("UPDATE staging_import SET gazelle_id = %s WHERE external_id = 'v4_clients_1'", client["id"])
    shop.sync(Mode.DEEP)
    followed = [
        ("alimentation", "resolved", client["id"], piano["id"], ids[0], ids[1]),
        ("housse", "archived", client["id"], piano["id"], ids[2], None),
    ]
    assert shop.query(alerts, keys) == followed
    assert shop.count("maintenance_findings", "source_external_id LIKE 'v4_timeline_entries_%'") == 0
    assert shop.count("maintenance_alert_events", "source_external_id LIKE 'v4_timeline_entries_%'") == 0
    assert_passes(shop, "maintenance_sources")
    scan(shop.settings, everything=True)
    assert shop.query(alerts, keys) == followed, "what a person decided stays, and no alert comes twice"
    assert shop.count("maintenance_alerts", "source_external_id = ANY (ARRAY['{}', '{}', '{}'])".format(*ids)) == 2


def test_before_a_first_pull_gazelles_ids_are_taken_as_they_are(new_shop: Shop, tmp_path: Path) -> None:
    known = new_shop.admin.dump("clients")[0]
    rows = [{"Id": 1, "CompanyName": "A", "ExternalId": known["id"]}, {"Id": 2, "CompanyName": "B"}]
    imported(new_shop, tmp_path / "a", {"c.csv": clients(*rows)})
    numbers = {row["external_id"]: row["id"] for row in new_shop.rows("gazelle_clients")}
    assert set(numbers) == {known["id"], "v4_clients_2"}
    new_shop.sync()
    new_shop.assert_equals_api()
    assert {i: new_shop.row("gazelle_clients", i)["id"] for i in numbers} == numbers


def test_likely_matches_are_proposed_and_not_made_in_both_languages(shop: Shop, tmp_path: Path) -> None:
    shop.query("UPDATE gazelle_clients SET company_name = 'École de musique du Nord' WHERE id = 1")
    request = Request(
        write(tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "Ecole musique du nord"}, {"Id": 2})})
    )
    outcome = run_import(shop.settings, request)
    (proposal,) = outcome.proposals
    assert (proposal.what, proposal.other) == ("v4_clients_1", "École de musique du Nord")
    assert "École de musique du Nord" in render_text(outcome, "en")
    french = render_html(outcome, "fr")
    assert "Importation des fichiers" in french
    assert "<script" not in render_html(outcome, "en")


def test_a_replay_makes_again_what_was_imported_and_leaves_what_is_there(shop: Shop, tmp_path: Path) -> None:
    for name, found in (("a", old.sqlite_set()), ("b", old.sqlserver_set())):
        imported(shop, tmp_path / name, found)
    changed = clients({"Id": 2, "CompanyName": "École du Sud"}, {"Id": 4, "CompanyName": "Quatre"})
    imported(shop, tmp_path / "c", {"c.csv": changed})
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id) VALUES ('v4_pianos_1')")
    before = everything(shop)
    replay_imports(shop.settings)
    assert everything(shop) == before
    forget = {"id": 0, "synced_at": None}
    wanted = {
        name: [row | forget for row in shop.rows(name, "external_id LIKE 'v4_%'")]
        for name in COUNTED
        if name.startswith("gazelle")
    }
    for name in reversed(list(wanted)):
        shop.query(f"DELETE FROM {name} WHERE external_id LIKE 'v4_%'")  # noqa: S608
    replay_imports(shop.settings, ["pianos"])
    assert shop.count("gazelle_pianos", "external_id LIKE 'v4_%'") == 0, "its client is not there"
    replay_imports(shop.settings)
    for name, rows in wanted.items():
        assert [row | forget for row in shop.rows(name, "external_id LIKE 'v4_%'")] == rows, name
    shop.assert_equals_api()


def test_the_command_replay_makes_imported_records_again(person: Person, tmp_path: Path) -> None:
    imported(person.shop, tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "A"})})
    person.shop.query("DELETE FROM gazelle_clients WHERE external_id LIKE 'v4_%'")
    assert person.runs("replay").returncode == 0
    assert person.shop.row("gazelle_clients", "v4_clients_1")["company_name"] == "A"
    person.shop.assert_equals_api()
