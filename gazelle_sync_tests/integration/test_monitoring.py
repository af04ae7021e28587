"""Metrics, the report, and the records in error, on a real database."""

from __future__ import annotations

import html
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx
import psycopg
import pytest

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n.translator import NO_BREAK, translator
from gazelle_sync.monitoring.failures import read_reasons, render_reasons, set_pending, show_record
from gazelle_sync.monitoring.metrics import serve_metrics
from gazelle_sync.monitoring.plots import bars, top_of
from gazelle_sync.monitoring.report import render_report, write_report
from gazelle_sync.monitoring.status import read_status
from gazelle_sync.notifications import ledger
from gazelle_sync.pull.context import Mode
from gazelle_sync.settings import Settings
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.commands import run_command
from gazelle_sync_tests.support.receivers import free_port
from gazelle_sync_tests.support.shop import Shop

MEASURES = {
    "stage1_fetch_duration", "stage1_records_fetched", "stage2_reconcile_duration", "stage2_records_processed",
    "stage2_errors", "staging_backlog_size",
}  # fmt: skip


@contextmanager
def scraped(settings: Settings) -> Iterator[str]:
    server, thread = serve_metrics(settings, "127.0.0.1", 0)
    try:
        answer = httpx.get(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10)
        assert answer.is_success
        yield answer.text
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def metric(text: str, name: str) -> float:
    found = re.search(rf"^gazelle_sync_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not among\n{text}"
    return float(found.group(1))


def test_the_metrics_are_those_of_the_database_when_they_are_asked_for(shop: Shop) -> None:
    shop.query("UPDATE staging_clients SET sync_status = 'pending' WHERE id = (SELECT id FROM staging_clients LIMIT 1)")
    clients = len(shop.admin.dump("clients"))
    with scraped(shop.settings) as text:
        assert metric(text, "database_up") == 1
        assert metric(text, 'rows{entity="clients"}') == clients
        assert metric(text, 'staging_backlog_size{entity="clients"}') == 1
        assert metric(text, 'stage1_records_fetched_total{entity="clients"}') >= clients
        assert metric(text, 'stage2_records_processed_total{entity="clients"}') >= clients
        assert metric(text, 'stage2_errors_total{entity="clients"}') == 0
        assert metric(text, 'stage1_fetch_duration_seconds_count{entity="clients"}') == 1
        assert metric(text, 'stage2_reconcile_duration_seconds_sum{entity="clients"}') > 0
        assert metric(text, 'last_run_status{status="success"}') == 1
        assert metric(text, 'age_seconds{entity="timeline"}') > 0
        assert metric(text, "alerts_undelivered") == 0


def test_a_database_out_of_reach_is_a_metric_and_no_error(tmp_path: Path) -> None:
    away = Settings(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none", home=tmp_path)
    with scraped(away) as text:
        assert metric(text, "database_up") == 0


def test_a_port_that_is_taken_is_said_in_one_sentence(shop: Shop) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(GazelleSyncError, match="cannot be used"):
            serve_metrics(shop.settings, "127.0.0.1", taken.getsockname()[1])


def test_the_six_measures_stand_in_sync_logs(shop: Shop) -> None:
    measures = shop.last_log()["stats"]["measures"]
    assert set(measures) == MEASURES
    reports = [shop.last_log()["stats"][entity.name] for entity in ENTITIES]
    assert measures["stage1_records_fetched"] == sum(report["fetched"] for report in reports) > 0
    assert measures["stage2_records_processed"] == sum(report["processed"] for report in reports) > 0
    assert measures["staging_backlog_size"] == 0
    assert measures["stage1_fetch_duration"] > 0


def break_pianos(shop: Shop, count: int) -> list[str]:
    """Make so many pianos unreadable for the reconciler, at Gazelle."""
    ids = [piano["id"] for piano in shop.admin.dump("pianos")[:count]]
    for number, external_id in enumerate(ids):
        shop.query("UPDATE staging_pianos SET raw_data = jsonb_set(raw_data, '{year}', %s), sync_status = 'pending' "
                   "WHERE external_id = %s", f'{{"no{number}": 1}}', external_id)  # fmt: skip
    shop.replay(only=["pianos"])
    return ids


def test_records_in_error_are_shown_by_reason_and_one_beside_its_body(shop: Shop) -> None:
    ids = break_pianos(shop, 3)
    (reason,) = read_reasons(shop.settings)
    assert (reason.entity, len(reason.records)) == ("pianos", 3)
    assert not any(external_id in reason.text for external_id in ids)
    assert "3  pianos: year" in render_reasons("en", [reason])
    shown = show_record(shop.settings, ids[0])
    assert shown["raw_data"]["id"] == ids[0]
    assert ids[0] in shown["error_message"]
    with pytest.raises(GazelleSyncError, match="ins_nobody"):
        show_record(shop.settings, "ins_nobody")
    shop.query("UPDATE staging_pianos SET raw_data = raw_data || '{\"year\": 1999}' WHERE external_id = ANY (%s)", ids)
    assert set_pending(shop.settings) == ["pianos"]
    assert {row.entity: row.backlog for row in read_status(shop.settings)}["pianos"] == 3


def test_records_in_error_go_by_their_names_also_those_that_production_does_not_hold(shop: Shop) -> None:
    known, new = break_pianos(shop, 2)
    piano = shop.row("gazelle_pianos", known)
    client = shop.row("gazelle_clients", piano["client_external_id"])["display_name"]
    shop.query(
        "UPDATE staging_pianos SET external_id = 'ins_new', raw_data = raw_data || "
        '\'{"make": "Pratte", "model": null, "serialNumber": "P77", "client": {"id": null, "companyName": "Songes"}}\' '
        "WHERE external_id = %s",
        new,
    )
    said = run_command(shop, "errors").stdout
    called = " ".join(filter(None, (piano["make"], piano["model"], piano["serial_number"])))
    assert f"{known} ({called}, {client})" in said
    assert "ins_new (Pratte P77, Songes)" in said
    assert json.loads(run_command(shop, "errors", "--json").stdout)[0]["external_ids"] == [
        record.external_id for record in read_reasons(shop.settings)[0].records
    ]


def test_what_the_guard_set_aside_is_not_tried_again(shop: Shop) -> None:
    shop.query("UPDATE staging_pianos SET sync_status = 'error', error_message = 'set aside', rejected_at = now() "
               "WHERE id = (SELECT id FROM staging_pianos LIMIT 1)")  # fmt: skip
    assert set_pending(shop.settings) == []
    assert "set aside" in render_reasons("en", read_reasons(shop.settings))


def test_a_record_that_cannot_be_read_by_id_stands_among_the_errors_until_it_can(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.edit("clients", client, personalNotes="changé")
    shop.query(
        "INSERT INTO sync_unreadable (entity, external_id, error_message) VALUES ('clients', %s, 'HTTP 500')", client
    )
    (reason,) = read_reasons(shop.settings)
    assert [record.external_id for record in reason.records] == [client]
    assert show_record(shop.settings, client)["status"] == "unreadable"
    assert {row.entity: row.errors for row in read_status(shop.settings)}["clients"] == 1
    shop.sync(Mode.TICK)
    assert read_reasons(shop.settings) == []


def test_the_report_shows_the_week_in_montreal_time_and_is_whole_by_itself(shop: Shop, tmp_path: Path) -> None:
    shop.query(
        "UPDATE gazelle_appointments SET title = '<b>Accord</b> & réglage', status = 'ACTIVE', is_all_day = false, "
        "deleted_at = NULL, start_at = ((now() AT TIME ZONE 'America/Toronto')::date + 1 + time '07:05') "
        "AT TIME ZONE 'America/Toronto' WHERE id = (SELECT min(id) FROM gazelle_appointments)"
    )
    path = tmp_path / "rapport.html"
    write_report(shop.settings.replace(language="fr"), path)
    text = path.read_text(encoding="utf-8")
    assert "7 h 05" in text.replace(NO_BREAK, " ")
    assert "&lt;b&gt;Accord&lt;/b&gt; &amp; réglage" in text
    assert "La semaine à venir" in text
    assert not re.search(r"\d{4}-\d\d-\d\d", re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)), "days are words"
    assert text.count("<svg") == 4
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=\"(?!#)[^\"]*//", text)
    assert not re.search(r"url\((?!#)", text)
    assert list(tmp_path.glob("tmp*")) == []


@pytest.mark.usefixtures("just_pulled")
def test_the_report_says_what_waits_what_is_open_and_when_it_was_last_proven(shop: Shop) -> None:
    piano = shop.rows("gazelle_pianos", "deleted_at IS NULL AND serial_number <> ''")[0]
    bare = render_report(shop.settings)
    for said in ("no check has failed", "It was never proven", "No conflict is open", "Nothing is to be ordered"):
        assert said in bare
    shop.query(
        "INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, 'Ma note')", piano["external_id"]
    )
    shop.query("UPDATE vincent_dindy_piano_updates SET sync_error = 'HTTP 403: a word in it'")
    with psycopg.connect(shop.url) as connection:
        ledger.write_alert(
            connection, rule="failed_check", subjects=["timezone_view"], severity="error", text="…", run_id="abc",
            title="✗ Gazelle: Check failed: timezone_view", recipients=["log"],
        )  # fmt: skip
    assert run_command(shop, "verify", "--only", "taxes").returncode == 0
    text = render_report(shop.settings.replace(language="fr"))
    assert "HTTP 403: a word in it" in text
    assert piano["serial_number"] in text
    assert "timezone_view" in text
    assert "gazelle-sync check --only timezone_view" in text
    links = re.findall(r"href=\"(?!#)([^\"]*)", text)
    assert links == [f"{shop.settings.ui_url}/runs/abc"], "its run, and nothing from elsewhere"
    assert "Cela n'a jamais été prouvé" not in html.unescape(text)
    assert "prefers-color-scheme: dark" in text
    assert {"●", "▲"} <= set(text)
    assert all(f'id="{anchor}"' in text for anchor in re.findall(r"href=\"#([a-z]+)\"", text))


def test_a_first_import_does_not_flatten_what_comes_after_it() -> None:
    assert top_of([27_000, 62, 40, 0, 71]) < 150
    assert top_of([100, 62, 40]) > 100
    assert top_of([27_000]) > 27_000
    assert top_of([]) > 0
    days = [date(2026, 11, n) for n in range(1, 6)]
    drawn = bars(days, [27_000, 62, 40, 0, 71], translator("fr"))
    assert "27\N{NARROW NO-BREAK SPACE}000 ↑" in drawn.replace("&#8593;", "↑")


def test_a_report_goes_through_a_pipe_or_a_link_and_puts_nothing_in_its_place(database: str, tmp_path: Path) -> None:
    pipe, page, link = (tmp_path / name for name in ("pipe", "page.html", "link.html"))
    os.mkfifo(pipe)
    page.write_text("old")
    link.symlink_to(page)
    settings = Settings(database_url=database, home=tmp_path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    write_report(settings, pipe)
    assert pipe.is_fifo()
    reader.join(10)
    assert "no run has ended" in read[0]
    write_report(settings, link)
    assert link.is_symlink()
    assert "no run has ended" in page.read_text(encoding="utf-8")


def test_the_report_of_a_database_without_a_run_says_so(database: str, databases: Databases, tmp_path: Path) -> None:
    assert "no run has ended" in render_report(Settings(database_url=database, home=tmp_path))
    with databases.temporary("template0") as never_migrated:
        text = render_report(Settings(database_url=never_migrated, home=tmp_path, language="fr"))
        assert "Rien à montrer" in text
        assert "Aucun rendez-vous" in text


def test_a_report_that_cannot_be_written_says_where_and_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(GazelleSyncError, match="cannot be written"):
        write_report(shop.settings, tmp_path / "nowhere" / "report.html")
