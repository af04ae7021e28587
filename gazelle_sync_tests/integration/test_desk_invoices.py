"""Invoices at the desk: drafts and their lines, what is missing, sending, payments; the rules are billing's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.montreal import montreal_day
from gazelle_sync.shop.billing.store import Drafts
from gazelle_sync_tests.support.desk import FrontDesk, Page, Visitor

LINE = {"description": "Accord", "quantity": "1,25", "amount": "99.00", "taxable": "1"}
"""142.28 $ with its taxes."""


@pytest.fixture
def client(front_desk: FrontDesk) -> str:
    query = (
        "SELECT c.external_id FROM gazelle_clients AS c INNER JOIN gazelle_pianos AS p "
        "ON p.client_external_id = c.external_id WHERE c.deleted_at IS NULL AND NOT c.is_stub ORDER BY 1 LIMIT 1"
    )
    return str(front_desk.shop.value(query))


@pytest.fixture
def started(front_desk: FrontDesk, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be started; nothing is."""
    found: list[tuple[Any, ...]] = []

    def start(commands: Any, who: str, language: str, about: str | None = None) -> bool:
        found.append((*commands, about))
        return True

    monkeypatch.setattr(front_desk.desk.runs, "start", start)
    return found


@pytest.fixture
def draft(front_desk: FrontDesk, client: str) -> str:
    """The address of a draft of one line."""
    visitor = front_desk.visitor()
    page = made(visitor, client)
    here = page.answer.url.path
    assert visitor.send(page, here, {"action": "add"}, **LINE).status == 200
    return str(here)


def made(visitor: Visitor, client: str) -> Page:
    return visitor.send(f"/invoices/new?client={client}", "/invoices/new", notes="Merci", due_on="2027-01-31")


def press(visitor: Visitor, page: Page, here: str, action: str, **fields: str) -> Page:
    """Send the form of a page that has this button, or says this action."""
    form = next(
        form
        for form in page.forms
        if form.action == here and (("action", action) in form.buttons or form.fields.get("action") == action)
    )
    return Page(visitor.client.post(here, data={**form.fields, "action": action, **fields}))


def one(front_desk: FrontDesk, query: str) -> tuple[Any, ...]:
    [row] = front_desk.shop.query(query)
    return tuple(row)


def test_an_invoice_begins_at_a_client_or_a_piano_and_is_made_line_by_line(front_desk: FrontDesk, client: str) -> None:
    visitor = front_desk.visitor()
    assert f"/invoices/new?client={client}" in visitor.open(f"/clients/{client}").links
    piano = front_desk.some("gazelle_pianos", f"client_external_id = '{client}'")
    assert f"/invoices/new?piano={piano}" in visitor.open(f"/pianos/{piano}").links
    assert visitor.open(f"/invoices/new?piano={piano}").form("/invoices/new").fields["client"] == client
    page = made(visitor, client)
    here = str(page.answer.url.path)
    assert "Aucune ligne" in page.text
    page = visitor.send(page, here, {"action": "add"}, **LINE, piano=piano)
    assert "6,19" in page.text
    assert "12,34" in page.text
    assert "142,28" in page.text
    query = "SELECT status, client_external_id, due_on::text, notes, updated_by FROM invoice_drafts"
    assert one(front_desk, query) == (
        "draft", client, "2027-01-31", "Merci", one(front_desk, "SELECT DISTINCT who FROM desk_changes")[0],
    )  # fmt: skip
    assert "Il ne manque rien" in press(visitor, page, here, "check").text
    assert one(front_desk, "SELECT status, total::text FROM invoice_drafts") == ("ready", "142.28")
    listed = visitor.open("/invoices?list=draft")
    assert here in listed.links
    assert "142,28" in listed.text


def test_a_product_gives_its_name_and_price_in_the_persons_language(front_desk: FrontDesk, draft: str) -> None:
    [(product, name, price)] = front_desk.shop.query(
        "SELECT external_id, name_fr, amount FROM gazelle_products WHERE NOT is_archived AND is_taxable "
        "AND amount > 0 ORDER BY id LIMIT 1"
    )
    visitor = front_desk.visitor()
    visitor.send(draft, draft, {"action": "add"}, product=product)
    assert front_desk.shop.query(
        "SELECT description, amount FROM invoice_draft_items WHERE product_external_id = %s", product
    ) == [(name, price)]


def test_who_only_looks_at_a_draft_changes_nothing_of_it(front_desk: FrontDesk, draft: str) -> None:
    before = front_desk.shop.query("SELECT xmin::text, status FROM invoice_drafts")
    assert "142,28" in front_desk.visitor().open(draft).text
    assert front_desk.shop.query("SELECT xmin::text, status FROM invoice_drafts") == before


def test_what_is_missing_is_said_and_such_a_draft_cannot_be_sent(
    front_desk: FrontDesk, draft: str, started: list[tuple[Any, ...]]
) -> None:
    visitor = front_desk.visitor()
    whole = visitor.open(draft)
    page = visitor.send(draft, draft, {"action": "add"}, description="Sans prix")
    assert "n'a pas de prix" in page.text
    assert not [form for form in page.forms if form.fields.get("action") == "send"]
    assert "Il manque quelque chose" in press(visitor, page, draft, "check").text
    told = press(visitor, whole, draft, "send")
    assert told.status == 409
    assert started == []


@pytest.mark.parametrize(
    "typed",
    [{"quantity": "beaucoup"}, {"quantity": "1e999999"}, {"amount": "NaN"}, {"amount": "12..5"},
     {"quantity": "1e-99999"}, {"description": "x" * 2001}],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_refused_and_what_was_typed_stays(
    front_desk: FrontDesk, draft: str, typed: dict[str, str]
) -> None:
    page = front_desk.visitor().send(draft, draft, {"action": "add"}, **{**LINE, **typed})
    assert page.status == 422
    assert typed.items() <= page.form(draft, action="add").fields.items()
    assert front_desk.shop.value("SELECT count(*) FROM invoice_draft_items") == 1


def test_a_line_is_taken_off_and_never_another_one_that_came_to_its_place(front_desk: FrontDesk, draft: str) -> None:
    anne, ben = front_desk.visitor(), front_desk.visitor()
    ben.send(draft, draft, {"action": "add"}, description="Pédale", amount="10")
    opened = ben.open(draft)
    anne.send(draft, draft, {"position": "2"}, action="remove")
    anne.send(draft, draft, {"action": "add"}, description="Marteaux", amount="20")
    told = ben.send(opened, draft, {"position": "2"}, action="remove")
    assert told.status == 422
    assert "Marteaux" in told.text
    assert front_desk.shop.query("SELECT position, description FROM invoice_draft_items ORDER BY 1") == [
        (1, "Accord"), (2, "Marteaux"),
    ]  # fmt: skip


def test_a_draft_is_sent_once_as_the_person_saw_it_and_is_never_emailed_unasked(
    front_desk: FrontDesk, draft: str, started: list[tuple[Any, ...]]
) -> None:
    visitor = front_desk.visitor()
    page = visitor.open(draft)
    assert press(visitor, page, draft, "send").status == 200
    assert "déjà été envoyé" in press(visitor, page, draft, "send").text
    [(words, about)] = started
    number = draft.rpartition("/")[2]
    who = one(front_desk, "SELECT DISTINCT who FROM desk_changes")[0]
    seen = Drafts(front_desk.shop.url).read(int(number)).fingerprint
    assert words == ("invoices", "send", f"--by={who}", f"--seen={seen}", number)
    assert about == f"invoice draft {number}"
    started.clear()
    press(visitor, visitor.open(draft), draft, "send", email="1")
    assert "--email" in started[0][0]


def test_who_sends_a_draft_that_somebody_changed_meanwhile_is_told(
    front_desk: FrontDesk, draft: str, started: list[tuple[Any, ...]]
) -> None:
    anne, ben = front_desk.visitor(), front_desk.visitor()
    opened = ben.open(draft)
    anne.send(draft, draft, {"action": "add"}, description="Pédale", amount="10")
    told = press(ben, opened, draft, "send")
    assert told.status == 409
    assert "entre-temps" in told.text
    assert "Pédale" in told.text
    assert started == []
    assert press(ben, told, draft, "send").status == 200, "who has seen it decides"
    assert len(started) == 1


def test_a_draft_that_was_sent_takes_no_line_from_a_page_that_was_opened_before(
    front_desk: FrontDesk, draft: str
) -> None:
    visitor = front_desk.visitor()
    opened = visitor.open(draft)
    front_desk.shop.query("UPDATE invoice_drafts SET gazelle_status = 'OPEN', status = 'sent'")
    for told in (
        visitor.send(opened, draft, {"action": "add"}, description="Tard"),
        visitor.send(opened, draft, {"position": "1"}, action="remove"),
    ):
        assert told.status == 409
    assert one(front_desk, "SELECT status, jsonb_array_length(lines) FROM invoice_drafts") == ("sent", 1)


def test_a_sum_that_gazelle_computes_otherwise_stands_beside_ours(front_desk: FrontDesk, draft: str) -> None:
    front_desk.shop.query("SET gazelle_sync.pushing = 'on'")
    front_desk.shop.query(
        "UPDATE invoice_drafts SET status = 'held', gazelle_sub_total = 123.75, gazelle_tax_total = 18.54, "
        "gazelle_total = 142.29, sync_error = 'Gazelle computes 142.29.'"
    )
    page = front_desk.visitor().open(draft)
    assert "142,29" in page.text
    assert "142,28" in page.text
    assert "retenu" in page.text or "retenue" in page.text


# ---- payments and lists


@pytest.fixture
def unpaid(front_desk: FrontDesk) -> str:
    """An open invoice of 100 $, due yesterday."""
    today = montreal_day(datetime.now(UTC))
    invoice = front_desk.some("gazelle_invoices", "NOT is_stub")
    front_desk.shop.query(
        "UPDATE gazelle_invoices SET status = 'OPEN', due_on = %s, total = 100, paid_total = 0, due_total = 100 "
        "WHERE external_id = %s", today - timedelta(days=1), invoice,
    )  # fmt: skip
    return invoice


def test_a_payment_is_entered_once_and_pushed(
    front_desk: FrontDesk, unpaid: str, started: list[tuple[Any, ...]]
) -> None:
    visitor = front_desk.visitor()
    page = visitor.open(f"/invoices/{unpaid}")
    form = f"/invoices/{unpaid}/payments"
    typed = {"amount": "50,00", "tip": "5", "type": "CASH", "day": "2026-10-30", "notes": "Merci"}
    entered = visitor.send(page, form, **typed)
    assert "Le paiement est inscrit" in entered.text
    assert "Attend d'être envoyé" in entered.text
    assert "déjà été envoyé" in visitor.send(page, form, **typed).text
    assert started == [(("push",), f"payments of {unpaid}")]
    assert one(
        front_desk,
        "SELECT invoice_external_id, amount::text, tip::text, type, notes, paid_at AT TIME ZONE 'America/Toronto' "
        "FROM invoice_draft_payments",
    ) == (unpaid, "50.00", "5", "CASH", "Merci", datetime(2026, 10, 30, 12))  # noqa: DTZ001 - by Montreal's clock
    front_desk.shop.query("SET gazelle_sync.pushing = 'on'")
    front_desk.shop.query("UPDATE invoice_draft_payments SET sync_error = 'Gazelle refuse <b>'")
    told = visitor.open(f"/invoices/{unpaid}")
    assert "Gazelle refuse <b>" in told.text
    assert "hx-trigger" not in told.html


@pytest.mark.parametrize(
    ("typed", "said"),
    [({"amount": "100,01"}, "plus que ce qui est dû"), ({"amount": "0"}, "supérieur à 0"), ({"amount": "abc"}, "abc"),
     ({"amount": "10", "tip": "20"}, "pourboire"), ({"amount": "10", "day": "hier"}, "hier"),
     ({"amount": "10", "day": "0001-01-01"}, "0001"), ({"amount": "10.001"}, "10.001"),
     ({"amount": "99999999999999"}, "99999999999999")],
)  # fmt: skip
def test_a_payment_that_makes_no_sense_is_refused_and_what_was_typed_stays(
    front_desk: FrontDesk, unpaid: str, started: list[tuple[Any, ...]], typed: dict[str, str], said: str
) -> None:
    page = front_desk.visitor().send(f"/invoices/{unpaid}", f"/invoices/{unpaid}/payments", **{"type": "CASH", **typed})
    assert page.status == 422
    assert said in page.text
    assert page.form(f"/invoices/{unpaid}/payments").fields["amount"] == typed["amount"]
    assert front_desk.shop.value("SELECT count(*) FROM invoice_draft_payments") == 0
    assert started == []


def test_an_invoice_that_is_paid_or_is_none_takes_no_payment(
    front_desk: FrontDesk, unpaid: str, started: list[tuple[Any, ...]], draft: str
) -> None:
    visitor = front_desk.visitor()
    form = visitor.open(f"/invoices/{unpaid}").form(f"/invoices/{unpaid}/payments").fields
    for address in ("inv_nobody", draft.rpartition("/")[2], "cli_1"):
        answer = visitor.client.post(f"/invoices/{address}/payments", data={**form, "amount": "1", "type": "CASH"})
        assert answer.status_code in (404, 422), address
    front_desk.shop.query("UPDATE gazelle_invoices SET status = 'PAID' WHERE external_id = %s", unpaid)
    assert f"/invoices/{unpaid}/payments" not in [one.action for one in visitor.open(f"/invoices/{unpaid}").forms]
    assert started == []
    assert front_desk.shop.value("SELECT count(*) FROM invoice_draft_payments") == 0


def test_the_desk_and_the_command_call_the_same_overdue(front_desk: FrontDesk, unpaid: str) -> None:
    today = montreal_day(datetime.now(UTC))
    told = {one.invoice for one in Drafts(front_desk.shop.url).listed(today, overdue=True)}
    assert unpaid in told
    visitor, shown, page = front_desk.visitor(), set[str](), 1
    while links := {link for link in visitor.open(f"/invoices?list=overdue&page={page}").links
                    if link.startswith("/invoices/inv_")}:  # fmt: skip
        shown |= {link.removeprefix("/invoices/") for link in links}
        page += 1
    assert shown == told
