"""A draft that a person sends: made as a draft at Gazelle, compared to the cent, opened, and only once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from gazelle_sync.shop.billing.sending import ask_to_send
from gazelle_sync.shop.billing.store import DraftRefused
from gazelle_sync_tests.support.evaluating import look_at
from gazelle_sync_tests.support.invoicing import Counter, Desk
from gazelle_sync_tests.support.pushing import killed_at

LAST_STEP = 140
LOST = ["close_after", "reset", "html_200", "truncated"]


def test_a_draft_is_sent_by_its_command_and_followed_by_the_pull(counter: Counter) -> None:
    draft = str(counter.json("new", "--client", counter.desk.client(), "--notes", "Merci")["id"])
    line = ("--description", "Accord", "--quantity", "1.25", "--amount", "99.00", "--taxable")
    counter.json("add", draft, *line)
    said = counter.json("send", draft)
    found = counter.desk.assert_open_once(int(draft))
    assert (said["invoice"], said["status"], said["total"], said["error"]) == (found["id"], "sent", "142.28", None)
    assert found["notes"] == "Merci"
    assert (found["subTotal"], found["taxTotal"], found["total"]) == (12375, 1853, 14228)
    assert [tax["total"] for tax in found["items"][0]["taxes"]] == [619, 1234]
    assert not [one for one in counter.shop.admin.dump("timeline") if one.get("invoiceId") == found["id"]], "no e-mail"
    counter.shop.sync()
    shown = counter.json("show", draft)
    assert (shown["gazelle"]["number"], shown["gazelle"]["status"]) == (found["number"], "OPEN")
    assert counter.json("show", found["id"])["id"] == int(draft)
    paid = counter.json("pay", draft, "--amount", "10.00", "--type", "CASH")
    assert paid["payment"].startswith("pay_")
    counter.shop.sync()
    shown = counter.json("show", draft)["gazelle"]
    assert (shown["paid_total"], shown["due_total"]) == ("10.00", "132.28")
    assert [(one["amount"], one["type"]) for one in shown["payments"]] == [("10.00", "CASH")]
    status, text = counter.says("send", draft)
    assert (status, "open" in text) == (0, True), "it is there already"
    assert len(counter.desk.made()) == 1


def test_what_is_missing_keeps_a_draft_here(counter: Counter) -> None:
    draft = counter.desk.new()
    said = counter.json("send", str(draft), status=1)
    assert "has no line" in said["problems"][0]
    assert not counter.desk.made()
    assert counter.says("send", "99")[0] == 1
    assert counter.says("send", "abc")[0] == 1


def test_a_second_push_asks_gazelle_for_nothing(desk: Desk) -> None:
    desk.sent(notes="Merci", due_on="2026-12-24", tags=["École", 'dite "la grande"'])
    desk.shop.admin.settings(clock_skew_s=5)
    desk.shop.sync()
    desk.shop.admin.reset_stats()
    assert desk.push().outcomes == []
    assert desk.shop.admin.stats()["requests"] == 0, "what the pull brought is what was agreed on"


@pytest.mark.parametrize("cents", [1, -1])
def test_sums_that_are_a_cent_off_hold_the_draft_before_anybody_sees_it(counter: Counter, cents: int) -> None:
    desk, draft = counter.desk, counter.desk.draft()
    desk.shop.admin.settings(invoice_cents_off=cents)
    said = counter.json("send", str(draft), status=1)
    (made,) = desk.made()
    assert (made["status"], said["status"], said["invoice"]) == ("DRAFT", "held", made["id"])
    theirs = Decimal(14228 + cents) / 100
    assert said["held"] == {
        "sub_total": "123.75", "tax_total": f"{theirs - Decimal('123.75')}", "total": f"{theirs}",
    }  # fmt: skip
    assert (f"{theirs}" in said["error"], "142.28" in said["error"]) == (True, True)
    row = desk.row(draft)
    assert (row["gazelle_total"], row["total"], row["needs_sync"]) == (theirs, Decimal("142.28"), False)
    desk.shop.admin.settings(invoice_cents_off=0)
    desk.shop.query("UPDATE invoice_drafts SET notes = notes")
    assert desk.push().sent == 0, "nothing else is sent of it"
    assert desk.made() == [made]
    desk.shop.sync()
    with pytest.raises(DraftRefused, match="takes no payment"):
        desk.pay(draft, "10.00")
    assert "held" in counter.says("list")[1]
    held = look_at(desk.shop, "push_invoices_held")
    assert (held.passed, held.is_failure, held.examples) == (False, False, (f"{draft}: 142.28 / {theirs}",))
    desk.drafts.remove(draft, 1)
    desk.add(draft, "Accord d'automne")
    assert counter.json("send", str(draft))["status"] == "sent"
    desk.assert_open_once(draft)
    assert len(desk.made()) == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("operation", ["createInvoice", "updateInvoice", "PushRead"])
def test_an_answer_that_is_lost_makes_no_second_invoice(desk: Desk, operation: str, fault: str) -> None:
    draft = desk.draft()
    desk.ask(draft)
    desk.shop.admin.fault(fault, operation=operation)
    desk.push()
    desk.settle()
    desk.assert_open_once(draft)
    assert desk.doubts() == 0
    assert len(desk.made()) == 1


def test_an_invoice_of_which_no_answer_came_is_not_made_again_while_it_may_arrive(desk: Desk) -> None:
    draft = desk.draft()
    desk.ask(draft)
    desk.shop.admin.fault("close_after", operation="createInvoice")
    desk.shop.admin.fault("status", code=503, operation="allInvoices", times=0, after=1)
    assert not desk.push().succeeded
    assert ("create_invoice", "in_doubt") in desk.office.log()
    assert "in doubt" in desk.row(draft)["sync_error"]
    desk.shop.admin.clear_faults()
    assert desk.push().succeeded
    desk.assert_open_once(draft)


def test_a_push_that_is_killed_at_any_step_makes_one_invoice_and_one_payment(desk: Desk) -> None:
    step, was_killed = 0, True
    while was_killed and step < LAST_STEP:
        step += 4
        draft = desk.draft(f"Accord {step}")
        desk.ask(draft)
        desk.shop.query(
            "INSERT INTO invoice_draft_payments (draft_id, amount, type, notes) VALUES (%s, 10, 'CASH', %s)",
            draft, f"{step}",
        )  # fmt: skip
        was_killed = killed_at(desk.office, step)
        desk.office.let_doubts_pass()
        desk.settle()
        found = desk.assert_open_once(draft)
        assert [(one["amount"], one["notes"]) for one in found["payments"]] == [(1000, f"{step}")], f"step {step}"
    assert not was_killed, "every step was passed"
    assert desk.doubts() == 0


def test_fifty_drafts_go_in_a_few_requests(desk: Desk) -> None:
    drafts = [desk.draft(f"Accord {place}") for place in range(50)]
    for draft in drafts:
        desk.ask(draft)
    desk.shop.admin.reset_stats()
    assert desk.push().succeeded
    assert desk.shop.admin.stats()["requests"] <= 8
    assert {desk.row(draft)["status"] for draft in drafts} == {"sent"}
    assert len(desk.made()) == 50


def _renamed(desk: Desk) -> str:
    desk.shop.admin.edit("taxes", desk.shop.admin.dump("taxes")[1]["id"], touch=False, name="QST")
    return "it is QST with 9.975 % at Gazelle now"


def _dearer(desk: Desk) -> str:
    desk.shop.admin.edit("taxes", desk.shop.admin.dump("taxes")[0]["id"], touch=False, rate=6000)
    return "TPS with 5 %, and it is TPS with 6 %"


def _gone(desk: Desk) -> str:
    desk.shop.admin.delete("taxes", desk.shop.admin.dump("taxes")[1]["id"])
    return "no tax TVQ any more"


@pytest.mark.parametrize("change", [_renamed, _dearer, _gone])
def test_a_tax_that_changes_between_check_and_send_sends_nothing(desk: Desk, change: Callable[[Desk], str]) -> None:
    draft = desk.draft()
    desk.ask(draft)
    said = change(desk)
    assert desk.push().failed == 1
    assert said in desk.row(draft)["sync_error"]
    assert not desk.made()
    desk.shop.sync()
    problems = desk.ask(draft).problems
    if problems:
        assert "no tax TVQ" in problems[0] or not problems
        return
    assert desk.push().succeeded
    assert desk.row(draft)["status"] == "sent"


def test_an_account_whose_prices_include_taxes_is_refused(desk: Desk) -> None:
    draft = desk.draft()
    desk.shop.admin.settings(dialect="live")
    newest = max(desk.shop.admin.dump("invoices"), key=lambda one: one["createdAt"])
    desk.shop.admin.edit("invoices", newest["id"], taxPricingMode="INCLUSIVE")
    with pytest.raises(DraftRefused, match=r"prices include their taxes \(taxPricingMode: INCLUSIVE\)"):
        ask_to_send(desk.shop.settings, desk.drafts, draft)
    assert desk.row(draft)["gazelle_status"] is None
    desk.shop.admin.edit("invoices", newest["id"], taxPricingMode="EXCLUSIVE")
    ask_to_send(desk.shop.settings, desk.drafts, draft)
    assert desk.push().succeeded
    desk.assert_open_once(draft)


def test_what_another_program_sends_of_an_account_whose_prices_include_taxes_stays_here(desk: Desk) -> None:
    draft, sent = desk.draft("Accord"), desk.sent()[0]
    desk.shop.admin.settings(dialect="live")
    newest = max(desk.shop.admin.dump("invoices"), key=lambda one: one["createdAt"])
    desk.shop.admin.edit("invoices", newest["id"], taxPricingMode="INCLUSIVE")
    before = len(desk.made())
    desk.ask(draft)
    desk.shop.query("UPDATE invoice_drafts SET notes = 'Merci' WHERE id = %s", sent)
    desk.shop.admin.reset_stats()
    assert (desk.push().failed, len(desk.made())) == (1, before)
    assert "prices include their taxes (taxPricingMode: INCLUSIVE)" in desk.row(draft)["sync_error"]
    assert desk.at_gazelle(sent)["notes"] == "Merci", "what was sent before is followed all the same"
    assert desk.shop.admin.stats()["requests"] <= 4, "asked once for all rows"
    desk.shop.admin.edit("invoices", newest["id"], taxPricingMode="EXCLUSIVE")
    desk.shop.query("UPDATE invoice_drafts SET needs_sync = true WHERE id = %s", draft)
    assert desk.push().succeeded
    assert desk.row(draft)["status"] == "sent"


def test_an_account_that_does_not_let_itself_be_asked_is_sent_to_and_compared(desk: Desk) -> None:
    draft = desk.draft()
    desk.ask(draft)
    desk.shop.admin.fault("graphql_errors", operation="InvoiceFields", times=0)
    assert desk.push().succeeded
    desk.assert_open_once(draft)


def test_a_client_who_is_deleted_meanwhile_gets_no_invoice(desk: Desk) -> None:
    draft = desk.draft()
    desk.ask(draft)
    desk.shop.admin.delete("clients", desk.client())
    assert desk.push().failed == 1
    assert "Client does not exist" in desk.row(draft)["sync_error"]
    assert desk.row(draft)["external_id"] is None


def test_a_draft_that_another_program_marks_as_sent_without_a_check_makes_nothing(desk: Desk) -> None:
    draft = desk.draft()
    desk.shop.query("UPDATE invoice_drafts SET status = 'ready', gazelle_status = 'OPEN'")
    assert desk.push().failed == 1
    assert "was not checked" in desk.row(draft)["sync_error"]
    assert not desk.made()
    desk.shop.query("UPDATE invoice_drafts SET status = 'canceled'")
    assert desk.push().outcomes == []
    with pytest.raises(DraftRefused, match="was canceled"):
        ask_to_send(desk.shop.settings, desk.drafts, draft)


def test_an_email_goes_only_where_a_person_says_so_and_once(counter: Counter) -> None:
    contact = counter.shop.query(
        "SELECT external_id FROM gazelle_contacts WHERE client_external_id = %s AND is_default", counter.desk.client()
    )[0][0]
    counter.shop.admin.edit("contacts", contact, emails=[{"id": "eml_1", "email": "a@exemple.example"}])
    draft, invoice = counter.desk.sent(contact=contact)
    assert not _emails(counter.desk, invoice)
    assert counter.json("send", str(draft), "--email")["emailed_to"] == "a@exemple.example"
    assert _emails(counter.desk, invoice) == 1
    status, text = counter.says("send", str(draft), "--email")
    assert (status, "was e-mailed before" in text) == (1, True)
    assert _emails(counter.desk, invoice) == 1


@pytest.mark.parametrize("fault", ["close_after", "html_200"])
def test_an_email_of_which_no_answer_came_is_never_sent_again(counter: Counter, fault: str) -> None:
    contact = counter.shop.query(
        "SELECT external_id FROM gazelle_contacts WHERE client_external_id = %s AND is_default", counter.desk.client()
    )[0][0]
    counter.shop.admin.edit("contacts", contact, emails=[{"id": "eml_1", "email": "a@exemple.example"}])
    draft, invoice = counter.desk.sent(contact=contact)
    counter.shop.admin.fault(fault, operation="sendInvoiceEmail")
    status, text = counter.says("send", str(draft), "--email")
    assert (status, "may have the e-mail" in text) == (1, True)
    counter.shop.admin.clear_faults()
    assert counter.says("send", str(draft), "--email")[0] == 1
    assert _emails(counter.desk, invoice) == (fault == "close_after")
    assert counter.desk.row(draft)["email_status"] == "in_doubt"


def _emails(desk: Desk, invoice: str) -> int:
    entries = desk.shop.admin.dump("timeline")
    return sum(one["type"] == "CONTACT_EMAIL_MANUAL" and one.get("invoiceId") == invoice for one in entries)
