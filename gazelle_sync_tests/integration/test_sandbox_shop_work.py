"""The sandbox takes the shop's own work as Gazelle does: visits, invoices, payments."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox

START = "2030-03-14T13:00:00Z"


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "gazelle.sqlite", scale=0.01) as sandbox:
        sandbox.admin.snapshot()
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    shared_sandbox.admin.restore()
    return shared_sandbox


def data(sandbox: RunningSandbox, query: str, **variables: object) -> Json:
    answer = sandbox.ask(query, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def made(sandbox: RunningSandbox, **values: object) -> Record:
    user = next(one for one in sandbox.admin.dump("users") if one["isSchedulable"])
    query = """mutation($input: PrivateEventInput!) {
      createEvent(input: $input) { event { id status type client { id } } mutationErrors { fieldName messages } }
    }"""
    answer = data(sandbox, query, input={"userId": user["id"], "start": START, **values})["createEvent"]
    assert answer["mutationErrors"] == []
    return dict(answer["event"])


def does(sandbox: RunningSandbox, mutation: str) -> Record:
    selection = "event { status confirmedAt confirmedByClient } mutationErrors { messages }"
    (answer,) = data(sandbox, f"mutation {{ {mutation} {{ {selection} }} }}").values()
    return dict(answer)


def told(sandbox: RunningSandbox, event_id: str) -> list[str]:
    entries = sandbox.admin.dump("timeline")
    return [one["type"] for one in entries if one.get("appointmentId") == event_id]


def test_the_office_confirms_a_visit_and_the_client_is_told_unless_it_is_silent(sandbox: RunningSandbox) -> None:
    visit = made(sandbox)["id"]
    confirmed = does(sandbox, f'confirmEvent(id: "{visit}", input: {{isSilent: true}})')["event"]
    assert (confirmed["confirmedAt"] is not None, confirmed["confirmedByClient"]) == (True, False)
    again = does(sandbox, f'confirmEvent(id: "{visit}", input: {{isSilent: true}})')["event"]
    assert again == confirmed
    assert told(sandbox, visit) == []
    assert does(sandbox, f'unconfirmEvent(id: "{visit}")')["event"]["confirmedAt"] is None
    does(sandbox, f'confirmEvent(id: "{visit}")')
    assert told(sandbox, visit) == ["CONTACT_EMAIL_AUTOMATED"]


def test_what_was_cancelled_or_completed_can_be_active_again(sandbox: RunningSandbox) -> None:
    visit = made(sandbox)["id"]
    assert does(sandbox, f'cancelEvent(eventId: "{visit}")')["event"]["status"] == "CANCELED"
    assert does(sandbox, f'uncancelEvent(eventId: "{visit}")')["event"]["status"] == "ACTIVE"
    assert does(sandbox, f'completeEvent(eventId: "{visit}")')["event"]["status"] == "COMPLETE"
    assert does(sandbox, f'uncompleteEvent(id: "{visit}")')["event"]["status"] == "ACTIVE"


def test_a_confirmation_mail_goes_only_where_it_is_asked_for(sandbox: RunningSandbox) -> None:
    assert told(sandbox, made(sandbox)["id"]) == []
    assert told(sandbox, made(sandbox, isConfirmationEmailWanted=True)["id"]) == ["CONTACT_EMAIL_AUTOMATED"]


def test_a_memo_loses_its_client_and_an_event_of_a_synced_calendar_is_read_only(sandbox: RunningSandbox) -> None:
    client = sandbox.admin.dump("clients")[0]["id"]
    assert made(sandbox, type="MEMO", clientId=client)["client"] is None
    synced = made(sandbox)["id"]
    sandbox.admin.edit("events", synced, type="SYNCED")
    before = sandbox.admin.record("events", synced)
    for mutation in (f'cancelEvent(eventId: "{synced}")', f'confirmEvent(id: "{synced}")'):
        assert "read-only" in does(sandbox, mutation)["mutationErrors"][0]["messages"][0]
    assert sandbox.admin.record("events", synced) == before


def test_events_are_found_by_technician_client_and_day(sandbox: RunningSandbox) -> None:
    client, user = sandbox.admin.dump("clients")[0]["id"], sandbox.admin.dump("users")[0]["id"]
    visit = made(sandbox, clientId=client, userId=user)["id"]
    query = """query($filters: PrivateAllEventsFilter) { allEventsBatched(filters: $filters) { nodes { id } } }"""
    day = {"dateGet": "2030-03-14", "dateLet": "2030-03-14"}
    found = data(sandbox, query, filters={"clientId": [client], "userId": [user], **day})
    assert found["allEventsBatched"]["nodes"] == [{"id": visit}]
    other = sandbox.admin.dump("users")[1]["id"]
    assert data(sandbox, query, filters={"userId": [other], **day})["allEventsBatched"]["nodes"] == []


SUMS = "id number status subTotal taxTotal tipTotal total paidTotal dueTotal"
PAID = "nodes { id amount tipTotal type notes paidAt }"


def invoice(sandbox: RunningSandbox, **values: object) -> Record:
    query = f"""mutation($input: PrivateCreateInvoiceInput!) {{
      createInvoice(input: $input) {{ invoice {{ {SUMS} }} mutationErrors {{ fieldName messages }} }}
    }}"""
    client = sandbox.admin.dump("clients")[0]["id"]
    given = {"clientId": client, "status": "DRAFT", "invoiceItems": [line(sandbox)], **values}
    answer = data(sandbox, query, input=given)["createInvoice"]
    assert answer["mutationErrors"] == []
    return dict(answer["invoice"])


def line(sandbox: RunningSandbox, **values: object) -> Record:
    taxes = [{"taxId": one["id"], "name": one["name"], "rate": one["rate"]} for one in sandbox.admin.dump("taxes")]
    return {"description": "Accord", "quantity": 125, "amount": 9900, "taxable": True, "taxes": taxes, **values}


def test_an_invoice_is_summed_line_by_line_and_tax_by_tax(sandbox: RunningSandbox) -> None:
    taken = invoice(sandbox)
    assert [taken[name] for name in ("status", "subTotal", "taxTotal", "total")] == ["DRAFT", 12375, 1853, 14228]
    nameless = line(sandbox, taxes=[{"taxId": one["id"], "rate": 5000} for one in sandbox.admin.dump("taxes")])
    assert invoice(sandbox, invoiceItems=[nameless])["taxTotal"] == 0
    sandbox.admin.settings(invoice_cents_off=1)
    try:
        assert invoice(sandbox)["total"] == 14229
    finally:
        sandbox.admin.settings(invoice_cents_off=0)


def test_all_lines_are_replaced_and_a_payment_that_comes_twice_is_two(sandbox: RunningSandbox) -> None:
    taken = invoice(sandbox, invoiceItems=[line(sandbox), line(sandbox)])
    update = f"""mutation($id: String!, $input: PrivateUpdateInvoiceInput!) {{
      updateInvoice(id: $id, input: $input) {{ invoice {{ {SUMS} }} mutationErrors {{ messages }} }}
    }}"""
    changed = data(sandbox, update, id=taken["id"], input={"status": "OPEN", "invoiceItems": [line(sandbox)]})
    opened = changed["updateInvoice"]["invoice"]
    assert [opened[name] for name in ("number", "status", "total")] == [taken["number"], "OPEN", 14228]
    pay = f"""mutation($id: String!) {{
      addInvoicePayment(invoiceId: $id, paymentAmount: 14228, paymentType: CASH, paymentTipAmount: 0,
                        paymentNotes: "Merci", paymentPaidAt: "{START}") {{
        invoice {{ {SUMS} allInvoicePayments {{ {PAID} }} }} mutationErrors {{ messages }}
      }}
    }}"""
    paid = data(sandbox, pay, id=taken["id"])["addInvoicePayment"]["invoice"]
    assert [paid[name] for name in ("status", "paidTotal", "dueTotal")] == ["PAID", 14228, 0]
    (payment,) = paid["allInvoicePayments"]["nodes"]
    assert [payment[name] for name in ("amount", "type", "notes", "paidAt")] == [14228, "CASH", "Merci", START]
    twice = data(sandbox, pay, id=taken["id"])["addInvoicePayment"]["invoice"]
    assert len(twice["allInvoicePayments"]["nodes"]) == 2


def test_invoices_are_found_by_client_day_and_mark(sandbox: RunningSandbox) -> None:
    client = sandbox.admin.dump("clients")[0]["id"]
    taken = invoice(sandbox, notes="Merci [gazelle_sync 1]")["id"]
    query = """query($filters: PrivateAllInvoicesFilter) { allInvoices(filters: $filters) { nodes { id } } }"""
    found = data(sandbox, query, filters={"clientId": client, "search": "[gazelle_sync 1]"})
    assert found["allInvoices"]["nodes"] == [{"id": taken}]
    late = {"clientId": client, "invoiceDateGet": "2099-01-01"}
    assert data(sandbox, query, filters=late)["allInvoices"]["nodes"] == []


def test_nobody_gets_a_mail_about_an_invoice_unless_it_is_asked_for(sandbox: RunningSandbox) -> None:
    taken = invoice(sandbox)["id"]
    mails = [one for one in sandbox.admin.dump("timeline") if one.get("invoiceId") == taken]
    assert mails == []
    query = """mutation($id: String!) {
      sendInvoiceEmail(invoiceId: $id, newInvoiceStatus: OPEN) { success mutationErrors { messages } }
    }"""
    assert data(sandbox, query, id=taken)["sendInvoiceEmail"]["success"] is True
    (mail,) = [one for one in sandbox.admin.dump("timeline") if one.get("invoiceId") == taken]
    assert mail["type"] == "CONTACT_EMAIL_MANUAL"
