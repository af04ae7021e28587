"""The desk's button runs the real jobs, and `gazelle-sync desk` serves until it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import pytest

from gazelle_sync.desk.server import running_desk
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.desk import FrontDesk, Page, office_of
from gazelle_sync_tests.support.shop import Shop


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not condition():
        time.sleep(0.05)
    assert condition()


def test_the_button_pulls_and_pushes_by_the_real_jobs_and_its_page_says_how_far_it_is(
    shop: Shop, dagster_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=dagster_database).items():
        monkeypatch.setenv(name, value)
    with office_of(shop) as front_desk:
        piano = front_desk.some("gazelle_pianos")
        visitor = front_desk.visitor()
        visitor.edit(piano, "notes", "Envoyée par le bureau")
        shop.admin.edit("pianos", piano, location="Salle 7")
        page = visitor.send("/state", "/sync")
        assert page.status == 200
        assert front_desk.desk.runs.last is not None
        if front_desk.desk.runs.last.is_running:
            assert "<progress" in page.html
            assert "/sync" not in [form.action for form in page.forms], "one at a time"
        wait_for(lambda: front_desk.desk.runs.last and not front_desk.desk.runs.last.is_running)
        assert front_desk.desk.runs.last.succeeded, list(front_desk.desk.runs.last.lines)
        after = visitor.open("/state")
        assert "Terminé à" in after.text
        assert shop.value("SELECT location FROM gazelle_pianos WHERE external_id = %s", piano) == "Salle 7"
        assert "chez Gazelle ✓" in visitor.open(f"/pianos/{piano}").text
        assert {("tick",), ("graphql",)} <= set(shop.query("SELECT mode FROM sync_logs")), "by the real jobs"


def test_without_dagsters_database_the_pages_go_on_and_the_button_says_what_is_missing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = "postgresql://postgres@127.0.0.1:1/dagster"
    for name, value in shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=gone).items():
        monkeypatch.setenv(name, value)
    with office_of(shop) as front_desk:
        visitor, piano = front_desk.visitor(), front_desk.some("gazelle_pianos")
        assert visitor.edit(piano, "notes", "Sans Dagster").status == 200
        assert visitor.send("/state", "/sync").status == 200
        wait_for(lambda: front_desk.desk.runs.last and not front_desk.desk.runs.last.is_running)
        page = visitor.open("/state")
        for words in (
            "quelque chose n'a pas fonctionné",
            "La base de Dagster est injoignable",
            "GAZELLE_DAGSTER_POSTGRES_URL",
        ):
            assert words in page.text
        assert "Traceback" not in page.html
        assert "Attend d'être envoyé" in visitor.open(f"/pianos/{piano}").text


@pytest.mark.slow("a job in a process of its own; the button's test, in the default lane, starts one in the same way")
def test_an_invoice_is_sent_and_paid_from_its_pages_by_the_real_job_and_by_no_email(
    shop: Shop, dagster_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=dagster_database).items():
        monkeypatch.setenv(name, value)
    before = {one["id"] for one in shop.admin.dump("invoices")}
    with office_of(shop) as front_desk:
        client = front_desk.some("gazelle_clients", "NOT is_stub")
        visitor = front_desk.visitor()
        here = str(visitor.send(f"/invoices/new?client={client}", "/invoices/new").answer.url.path)
        line = {"description": "Accord", "quantity": "1.25", "amount": "99", "taxable": "1"}
        page = visitor.send(here, here, {"action": "add"}, **line)
        changed = visitor.open(here)
        visitor.send(page, here, {"action": "send"})
        wait_for(lambda: (last := front_desk.desk.runs.last) and not last.is_running)
        assert front_desk.desk.runs.last is not None
        assert front_desk.desk.runs.last.succeeded, list(front_desk.desk.runs.last.lines)
        assert "C'est chez Gazelle" in visitor.open(here).text
        [made] = [one for one in shop.admin.dump("invoices") if one["id"] not in before]
        assert (made["status"], made["total"]) == ("OPEN", 14228)
        assert not [one for one in shop.admin.dump("timeline") if one.get("invoiceId") == made["id"]], "no e-mail"
        shop.sync()
        invoice = f"/invoices/{made['id']}"
        assert here in visitor.open(invoice).links
        visitor.send(invoice, f"{invoice}/payments", amount="142,28", type="CASH")
        wait_for(lambda: (last := front_desk.desk.runs.last) and not last.is_running)
        [paid] = [one for one in shop.admin.dump("invoices") if one["id"] == made["id"]]
        assert (paid["status"], paid["dueTotal"]) == ("PAID", 0)
        assert visitor.send(changed, here, {"action": "add"}, description="Tard").status == 409


def test_the_command_serves_until_it_is_stopped(shop: Shop, dagster_database: str) -> None:
    environment = os.environ | shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=dagster_database)
    command = [sys.executable, "-m", "gazelle_sync.cli", "desk", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = ""
        for line in process.stdout:
            if "http://127.0.0.1:" in line:
                url = next(word for word in line.split() if word.startswith("http://127.0.0.1:")).rstrip(".")
                break
        assert Page(httpx.get(f"{url}/search?q=a")).status == 200
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(20) == 143


def test_a_port_that_is_taken_is_said(front_desk: FrontDesk) -> None:
    settings = front_desk.shop.settings
    with keep_connections(), running_desk(settings, 0) as (desk, _):
        assert httpx.get(desk.public_url).status_code == 200
        with pytest.raises(GazelleSyncError, match=str(desk.port)), running_desk(settings, desk.port):
            pass
