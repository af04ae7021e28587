"""A slice of the campaign over invoices and payments, and the proof that its judge sees what is not there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.campaign import CAMPAIGNS, quietly
from gazelle_sync_tests.faults.case import run_case
from gazelle_sync_tests.faults.invoices_editor import InvoicesEditor
from gazelle_sync_tests.faults.invoices_kinds import INVOICE_KINDS
from gazelle_sync_tests.faults.invoices_oracle import after_quiet
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Shop

pytestmark = pytest.mark.slow("a campaign: whole cases under faults, and damages that its judge has to see")

SLICE = ("invoice unanswered", "a cent off", "paid meanwhile", "killed with bills")


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with quietly():
        yield


@pytest.mark.parametrize("name", SLICE)
def test_a_case_of_the_campaign_ends_with_nothing_lost_and_nothing_doubled(servers: Servers, name: str) -> None:
    result = run_case(7, INVOICE_KINDS[name], INVOICE_KINDS, servers, CAMPAIGNS["invoices"].case)
    print("\n".join(result.story))  # noqa: T201 - shown where the test fails
    assert result.crash == ""
    assert result.figures.examples == []


class Damaged:
    """A shop with an invoice and a payment that were pushed and pulled."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.admin = shop, shop.admin
        self.office = EditedShop(shop)
        self.editor = InvoicesEditor(self.office, random.Random(1))  # noqa: S311 - reproducible, not secret
        self.bill = self.editor.bill()
        self.editor.pay(self.bill)
        for _ in range(2):
            assert self.office.push().succeeded
        shop.sync()
        self.editor.look()

    @property
    def record(self) -> Record:
        return self.editor.record_of(self.bill) or {}

    def edit(self, **values: object) -> None:
        self.admin.edit("invoices", self.record["id"], touch=False, **values)

    def found(self) -> set[str]:
        return {figure for figure, _ in after_quiet(self.office, self.editor)}


@pytest.fixture
def damaged(shop: Shop) -> Damaged:
    return Damaged(shop)


def _made_again(damaged: Damaged) -> None:
    values = {name: value for name, value in damaged.record.items() if name not in ("id", "payments")}
    damaged.admin.create("invoices", **values)


def _paid_again(damaged: Damaged) -> None:
    (paid,) = damaged.record["payments"]
    damaged.edit(payments=[paid, paid | {"id": "pay_encore"}])


def _mailed(damaged: Damaged) -> None:
    damaged.admin.create("timeline", type="CONTACT_EMAIL_MANUAL", invoiceId=damaged.record["id"])


DAMAGES: dict[str, tuple[Callable[[Damaged], object], set[str]]] = {
    "an invoice was made twice": (_made_again, {f.INVOICES_DOUBLED}),
    "a payment was added twice": (_paid_again, {f.PAYMENTS_DOUBLED, f.CENTS_OFF, f.SILENT}),
    "a payment is gone": (lambda it: it.edit(payments=[]), {f.PAYMENTS_LOST, f.CENTS_OFF, f.SILENT}),
    "a cent is off": (lambda it: it.edit(taxTotal=it.record["taxTotal"] + 1), {f.CENTS_OFF}),
    "a line is gone": (lambda it: it.edit(items=it.record["items"][1:]), {f.SILENT}),
    "an invoice was never opened": (lambda it: it.edit(status="DRAFT"), {f.SILENT}),
    "the client got a mail": (_mailed, {f.CLIENTS_TOLD}),
    "our mark is left": (lambda it: it.edit(notes=f"{it.record['notes']}\n\n[gazelle_sync x]"), {f.TOLD}),
    "a draft is due for ever": (
        lambda it: it.shop.query("UPDATE invoice_draft_payments SET sync_error = 'non'"), {f.UNSETTLED},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_the_judge_sees_a_damage_and_calls_it_by_its_name(damaged: Damaged, name: str) -> None:
    assert damaged.found() == set()
    damage, figures = DAMAGES[name]
    damage(damaged)
    assert damaged.found() == figures
