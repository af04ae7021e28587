"""Faults that strike a part of a document of many changes, and those of the price list."""

from __future__ import annotations

import time
from typing import Any

from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.faults.push_context import AnyContext, PianosContext

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST
SLOW = {"timeout_s": 0.6}
"""A push that waits this long for an answer, so that a case need not wait for long."""


def _too_complex(context: AnyContext) -> None:
    """The API takes few fields at once; two are what a single change and the question what it replaces come to."""
    draw = context.draw
    status, fields = draw.choice([200, 400, 413]), draw.choice([2, 3, 5])
    context.shop.admin.settings(max_root_fields=fields, refusal_status=status)
    context.story.append(f"at most {fields} fields, or {status}")
    context.push()


def _slow_fields(context: AnyContext) -> None:
    context.shop.admin.settings(field_ms=context.draw.choice([20, 60, 150]))
    for _ in range(context.draw.randint(1, 3)):
        context.push(timeout_s=0.8)


def _on_a_document(fault: str, *, is_late: bool = False, **options: Any) -> Strike:
    """Strikes one change of a document, or a part of it, and no other."""

    def strike(context: AnyContext) -> None:
        draw = context.draw
        own = dict(options)
        if fault == "alias_null":
            own["done"] = draw.random() < 0.5
        if is_late:
            # A push waits for its time-out from the sending on. What a server does later than that may be done twice.
            own["seconds"] = draw.uniform(0.1, 0.8 * SLOW["timeout_s"])
            context.finally_do(lambda: time.sleep(own["seconds"] + 0.2))
        if draw.random() < 0.7:
            own["place"] = draw.randint(0, 6)
        times, operation = draw.randint(1, 3), draw.choice(["mutation", "mutation", ""])
        context.shop.admin.fault(fault, times=times, operation=operation, **own)
        context.story.append(f"{fault} {own} on {times} {operation}")
        for _ in range(draw.randint(1, 2)):
            context.push(**SLOW)

    return strike


DOCUMENTS = (
    Kind("document too complex", "graphql", "documents of more than some fields are refused: 200, 400 or 413",
         _too_complex, HARMLESS),
    Kind("slow fields", "graphql", "each field of a document takes its time", _slow_fields, HONEST),
    Kind("one change refused", "graphql", "one change of a document is refused, the others are done",
         _on_a_document("alias_refused", message="Pas aujourd'hui"), HONEST),
    Kind("one change null", "graphql", "one is null with an error, and done or not", _on_a_document("alias_null"),
         HONEST),
    Kind("half done", "graphql", "half of a document is done, and the connection cut", _on_a_document("half_done"),
         HONEST),
    Kind("half done, half late", "graphql", "the same, and the rest is done some moments later",
         _on_a_document("half_done", is_late=True), HONEST),
    Kind("half an answer", "graphql", "only half of a document is done and answered", _on_a_document("first_half"),
         HONEST),
)  # fmt: skip

# ---- the price list


def _archived(context: PianosContext) -> None:
    """A service is archived at Gazelle; its price is changed here; it comes back."""
    prices = context.editor.prices
    product = context.draw.choice(prices.products)
    context.shop.admin.edit("products", product, isArchived=True)
    context.finally_do(lambda: context.shop.admin.edit("products", product, isArchived=False))
    context.was_edited = True
    context.held = True
    prices.edit_here(product)
    context.push()


def _renamed(context: PianosContext) -> None:
    """Somebody changes prices and names at Gazelle under our hands."""
    done: set[str] = set()

    def rename(record: str) -> None:
        if record in context.editor.prices.products and record not in done:
            done.add(record)
            context.editor.prices.edit_there(record)

    at = context.draw.choice(["after_read", "before_send"]) if context.office.transport == "graphql" else "after_read"
    with context.hooked(**{at: rename}):
        context.push()


def _no_price(context: PianosContext) -> None:
    """A price below nothing stays here, and says so; a person corrects it."""
    prices = context.editor.prices
    product = context.draw.choice(prices.products)
    context.was_edited = True
    prices.enter(product, retail_price="-5")
    context.finally_do(lambda: prices.edit_here(product))
    context.finally_do(lambda: prices.enter(product, retail_price="12.00"))
    context.held = True
    context.push()


def _for_nothing(context: PianosContext) -> None:
    """A price of 0 is one."""
    prices = context.editor.prices
    prices.values.by_us.add("0.00")
    prices.enter(context.draw.choice(prices.products), retail_price="0")
    context.push()


PRICES = (
    Kind("archived", "gazelle", "a service is archived there, its price changed here", _archived, SAID, "archiv"),
    Kind("renamed meanwhile", "gazelle", "prices and names change there between our read and our write", _renamed,
         HARMLESS),
    Kind("no price", "shop", "a price below nothing", _no_price, SAID, "price"),
    Kind("for nothing", "shop", "a price of 0", _for_nothing, HARMLESS),
)  # fmt: skip
