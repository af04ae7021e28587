"""What is changed of an invoice that Gazelle has: here, there, on both sides, and while it is sent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gazelle_sync_tests.support.invoicing import Desk
from gazelle_sync_tests.support.pushing import HookPush, once


def test_lines_that_are_changed_after_sending_are_sent_whole_and_once(desk: Desk) -> None:
    draft, invoice = desk.sent()
    desk.add(draft, "Pédale", quantity=Decimal(2), amount=Decimal("12.50"), taxable=False)
    assert (desk.row(draft)["status"], desk.row(draft)["needs_sync"]) == ("draft", False)
    assert desk.push().sent == 0, "nobody has sent it again"
    desk.ask(draft)
    assert desk.push().sent == 1
    found = desk.invoice(invoice)
    said = [(item["description"], item["quantity"], item["amount"]) for item in found["items"]]
    assert said == [("Accord", 125, 9900), ("Pédale", 200, 1250)]
    assert (found["total"], found["status"], desk.row(draft)["status"]) == (16728, "OPEN", "sent")
    assert len(desk.made()) == 1


def test_a_header_that_is_edited_after_sending_goes_by_itself_and_what_is_emptied_too(desk: Desk) -> None:
    draft, invoice = desk.sent(notes="Merci", tags=["Concert"])
    desk.shop.query("UPDATE invoice_drafts SET notes = NULL, top_notes = 'Bonjour', tags = '{}'")
    assert desk.push().succeeded
    found = desk.invoice(invoice)
    assert (found["notes"], found["topNotes"], found["tags"]) == (None, "Bonjour", [])
    assert len(found["items"]) == 1, "its lines are as they were"
    assert desk.row(draft)["status"] == "sent"


def test_lines_that_somebody_changes_at_gazelle_come_here(desk: Desk) -> None:
    draft, invoice = desk.sent()
    desk.shop.admin.settings(clock_skew_s=5)
    (item,) = desk.invoice(invoice)["items"]
    changed = item | {"description": "Accord complet", "quantity": 150}
    desk.shop.admin.edit("invoices", invoice, items=[changed, item | {"id": "ini_x", "sequenceNumber": 2}])
    desk.shop.admin.settings(clock_skew_s=10)
    desk.shop.sync()
    assert desk.push().sent == 0
    lines = desk.drafts.read(draft).lines
    assert [(line.position, line.description, line.quantity) for line in lines] == [
        (1, "Accord complet", Decimal("1.50")), (2, "Accord", Decimal("1.25")),
    ]  # fmt: skip
    assert desk.row(draft)["status"] == "sent"
    assert not desk.office.conflicts()


@pytest.mark.parametrize("later", ["ours", "theirs"])
def test_an_invoice_that_both_edit_is_a_conflict_by_field(desk: Desk, later: str) -> None:
    draft, invoice = desk.sent(notes="Merci")
    skew = -60 if later == "ours" else 60
    if later == "theirs":
        desk.shop.query("UPDATE invoice_drafts SET notes = 'Ici', top_notes = 'En haut'")
    desk.shop.admin.settings(clock_skew_s=skew)
    desk.shop.admin.edit("invoices", invoice, notes="Là-bas", dueOn="2027-01-31")
    desk.shop.admin.settings(clock_skew_s=0)
    if later == "ours":
        desk.shop.query("UPDATE invoice_drafts SET notes = 'Ici', top_notes = 'En haut'")
    assert desk.push().succeeded
    found, row = desk.invoice(invoice), desk.row(draft)
    assert found["notes"] == row["notes"] == ("Ici" if later == "ours" else "Là-bas")
    assert (found["topNotes"], found["dueOn"]) == ("En haut", "2027-01-31")
    (conflict,) = desk.office.conflicts()
    assert (conflict["field"], conflict["winner"]) == ("notes", later)
    assert (conflict["ours"], conflict["theirs"]) == ("Ici", "Là-bas")


def test_an_invoice_that_is_paid_while_its_draft_is_changed_takes_no_change(desk: Desk) -> None:
    draft, invoice = desk.sent()
    desk.add(draft, "Pédale")
    desk.shop.admin.edit("invoices", invoice, status="PAID")
    before = desk.invoice(invoice)
    desk.ask(draft)
    assert desk.push().failed == 1
    assert "is PAID at Gazelle and takes no change" in desk.row(draft)["sync_error"]
    assert desk.invoice(invoice) == before


def test_an_invoice_that_somebody_cancels_before_it_is_opened_is_never_opened(desk: Desk, hook_push: HookPush) -> None:
    draft = desk.draft()
    desk.ask(draft)

    def cancel() -> None:
        (made,) = desk.made()
        desk.shop.admin.edit("invoices", made["id"], status="CANCELED")

    hook_push(after_send=once(cancel))
    assert desk.push().failed == 1
    (made,) = desk.made()
    assert (made["status"], desk.row(draft)["external_id"]) == ("CANCELED", made["id"])
    assert desk.row(draft)["status"] == "ready"


def test_another_clients_invoice_and_one_about_other_pianos_are_never_changed(desk: Desk) -> None:
    theirs = next(
        one for one in desk.shop.admin.dump("invoices")
        if one["clientId"] and one["status"] == "OPEN" and one["clientId"] != desk.client()
    )  # fmt: skip
    draft = desk.draft()
    desk.ask(draft)
    desk.shop.query("UPDATE invoice_drafts SET external_id = %s WHERE id = %s", theirs["id"], draft)
    assert desk.push().failed == 1
    assert "is of another client" in desk.row(draft)["sync_error"]
    assert desk.invoice(theirs["id"]) == theirs
    others = (one for one in desk.shop.admin.dump("invoices") if one["id"] != theirs["id"])
    own = next(one for one in others if one["status"] == "OPEN" and _piano(one))
    [(mine, other)] = desk.shop.query(
        "SELECT p.client_external_id, (SELECT external_id FROM gazelle_pianos WHERE external_id <> p.external_id "
        "AND deleted_at IS NULL ORDER BY id LIMIT 1) FROM gazelle_pianos AS p WHERE p.external_id = %s",
        _piano(own),
    )
    second = desk.new(client=mine)
    desk.add(second, piano=other)
    desk.shop.query(
        "UPDATE invoice_drafts SET external_id = %s, status = 'sent', gazelle_status = 'OPEN', "
        "billed_lines = jsonb_build_array(jsonb_build_object('piano', %s::text)) WHERE id = %s",
        own["id"], other, second,
    )  # fmt: skip
    desk.push()
    assert "about other pianos" in desk.row(second)["sync_error"]
    assert desk.invoice(own["id"]) == own


def _piano(invoice: dict[str, object]) -> object:
    items = invoice["items"]
    assert isinstance(items, list)
    return next((item["pianoId"] for item in items if item["pianoId"]), None)
