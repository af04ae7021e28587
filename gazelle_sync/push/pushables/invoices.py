"""Drafts of invoices that a person sent: made as drafts at Gazelle, compared to the cent, and only then opened.

What Gazelle computes otherwise is held before anybody sees it. Once an invoice is open, what people edit of it on both
sides is merged field by field, as with every record.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from gazelle_sync.entities import INVOICES
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.fields.scalars import TEXT, WHOLE, Created, Form, Scalar, as_instant
from gazelle_sync.push.model import JsonValue
from gazelle_sync.push.plan import Draft, merge
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.transports.invoices import INVOICE, MODE, SUMS

NO_LINES = Message("The lines cannot be read. Check the draft again: `gazelle-sync invoices check`.")
NOT_CHECKED = Message(
    "The draft was not checked since it was last changed. Send it again: `gazelle-sync invoices send {id}`."
)
OTHER_CLIENT = Message(
    "The invoice {id} is of another client at Gazelle ({client}): nothing of it is changed. Take the id off this draft."
)
OTHER_PIANOS = Message(
    "The invoice {id} is about other pianos at Gazelle: nothing of it is changed. Take the id off this draft."
)
TAX_GONE = Message(
    "Gazelle's account has no tax {tax} any more: `gazelle-sync sync`, then name another one and send the draft again."
)
TAX_CHANGED = Message(
    "The check took the tax {tax} with {rate}, and it is {now} with {new_rate} at Gazelle now: `gazelle-sync "
    "sync`, then check the draft and send it again."
)
PRICES_INCLUDE_TAXES = Message(
    "This account's prices include their taxes ({field}: {mode}), and sums are computed here for prices "
    "without them. Nothing was sent: enter the invoice at Gazelle."
)
SUMS_DIFFER = Message(
    "Held back: Gazelle computes {theirs} $ ({their_taxes} $ of it taxes), the check {ours} $ ({our_taxes} $). "
    "Nothing more is sent of it. Compare the lines at Gazelle, correct the draft, and send it again."
)
INVOICE_CLOSED = Message(
    "The invoice {id} is {status} at Gazelle and takes no change. Make another one for what is left."
)
DRAFT, OPEN = "DRAFT", "OPEN"
CLOSED = frozenset({"PAID", "CANCELED", "DELETED"})
"""Statuses of invoices that take no change any more."""


class _Day(Form):
    """Both sides hold a day."""

    problem = "no_day"

    def normal(self, text: str) -> str:
        return date.fromisoformat(text).isoformat()


class _Texts(Form):
    """The column is an array of texts, in PostgreSQL's notation, the attribute a list."""

    problem = "no_list"

    def normal(self, text: str) -> str:
        return self._noted(self.written(text))

    def said(self, value: JsonValue) -> str | None:
        return self._noted(value) if value else None

    def written(self, text: str) -> JsonValue:
        if not (text.startswith("{") and text.endswith("}")):
            raise ValueError(text)
        rows = csv.reader([text[1:-1]], doublequote=False, escapechar="\\", skipinitialspace=True)
        return [one for row in rows for one in row]

    def _noted(self, texts: Sequence[str]) -> str:
        quoted = (one.replace("\\", "\\\\").replace('"', '\\"') for one in texts)
        return "{" + ",".join(f'"{one}"' for one in quoted) + "}" if texts else ""


class _Lines(Form):
    """The column holds the lines as JSON, as `line_of` gives them, the attribute as a list."""

    problem = NO_LINES

    def normal(self, text: str) -> str:
        return _as_text(self.written(text))

    def said(self, value: JsonValue) -> str | None:
        return _as_text(value) if value else None

    def written(self, text: str) -> JsonValue:
        return json.loads(text)


def _as_text(lines: JsonValue) -> str:
    return json.dumps(lines, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Guarded:
    """Looks for what forbids to send anything of an invoice; it comes before all other fields."""

    makes_record: ClassVar[bool] = True

    def plan(self, draft: Draft) -> None:
        """Only problems."""
        said = draft.row.values
        if "taxes" not in draft.remote.values:  # nothing was read yet
            return
        if draft.row.key and said["client_external_id"] != (client := draft.remote.get("client_id")):
            draft.problem("client_external_id", OTHER_CLIENT, id=draft.row.key, client=client)
        elif draft.row.key and self._is_about_other_pianos(draft):
            draft.problem("external_id", OTHER_PIANOS, id=draft.row.key)
        elif not said["billed_lines"] and (said["status"] == "ready" or not draft.row.key):
            draft.problem("billed_lines", NOT_CHECKED, id=draft.row.local_id)
        elif said["status"] == "ready" and (mode := draft.remote.get("tax_pricing")) is not None:
            draft.problem("billed_lines", PRICES_INCLUDE_TAXES, field=MODE, mode=mode)
        elif said["status"] == "ready":
            self._compare_taxes(draft)

    def _is_about_other_pianos(self, draft: Draft) -> bool:
        """Whether none of the record's pianos is one that the draft names, or named."""
        known = [draft.row.values["billed_lines"], draft.base.get("billed_lines")]
        mine = set().union(*(_pianos(json.loads(text)) for text in known if text))
        theirs = _pianos(draft.remote.get("items") or ())
        return bool(mine and theirs and not mine & theirs)

    def _compare_taxes(self, draft: Draft) -> None:
        """The account's own table counts: a rate may have changed since the check."""
        now = draft.remote.get("taxes")
        for tax in _taxes(json.loads(draft.row.values["billed_lines"])):
            name, rate = now.get(tax["id"], (None, None))
            if name is None:
                draft.problem("billed_lines", TAX_GONE, tax=tax["name"])
            elif (name, rate) != (tax["name"], tax["rate"]):
                draft.problem(
                    "billed_lines", TAX_CHANGED, tax=tax["name"], rate=_percent(tax["rate"]), now=name,
                    new_rate=_percent(rate),
                )  # fmt: skip


@dataclass(frozen=True)
class Content(Scalar):
    """A column of an invoice.

    Attributes:
        clears: Whether a value that is taken away here is taken away at Gazelle; else nothing is said of it.
    """

    clears: bool = True

    def said_in(self, draft: Draft) -> str | None:
        """See `Scalar`; an empty list says nothing."""
        return super().said_in(draft) or None

    def plan(self, draft: Draft) -> None:
        """Three-way between the column and the attribute."""
        if draft.plan.problems:
            return
        ours, base = self.said_in(draft), draft.base.get(self.column)
        if ours is None and (base is None or not self.clears):
            return
        theirs = self._said(draft.remote.get(self.attribute))
        value, clash = merge(draft, self.column, self._base(draft, theirs), ours, theirs)
        if self.column in draft.plan.follows:
            return
        if value != theirs:
            if draft.remote.get("status") in CLOSED:
                draft.problem(self.column, INVOICE_CLOSED, status=draft.remote.get("status"), id=draft.row.key)
                return
            draft.values[self.attribute] = self.written(None, value)
        if value != base or clash is not None:
            draft.updates_base(self.attribute, self.column, value, clash)


@dataclass(frozen=True)
class Invoiced(Created):
    """Makes the invoice, as a draft with our mark."""

    def plan(self, draft: Draft) -> None:
        """One creation, for a draft without an invoice."""
        if draft.row.key or draft.plan.problems:
            return
        super().plan(draft)
        for place, action in enumerate(draft.plan.actions):
            said = draft.row.values
            asked_at = said["send_requested_at"]
            at = asked_at if isinstance(asked_at, datetime) else draft.row.updated_at
            payload = {**action.payload, "mark": said["mark"], "created_at": as_instant(at)}
            shown = f"{said['total']} $ ({len(action.payload['items'] or ())})"
            draft.plan.actions[place] = replace(action, payload=payload, shown=("", shown))
            draft.plan.goes_on = True


@dataclass(frozen=True)
class Opened(Scalar):
    """The invoice's status: what a person wants of it (`OPEN`), and what it is at Gazelle since.

    It comes after all other fields: what Gazelle computed is compared once it has everything else.
    """

    def plan(self, draft: Draft) -> None:
        """Opens a draft that is found right, holds one that is not; of an open one, follows Gazelle."""
        ours, theirs = draft.row.values[self.column], draft.remote.get(self.attribute)
        if draft.plan.problems or theirs is None:
            return
        if draft.row.values["status"] != "ready":
            self._follow(draft, ours, theirs)
            return
        if draft.updates:
            draft.plan.goes_on = True
            return
        if theirs in CLOSED - {"PAID"}:
            draft.problem(self.column, INVOICE_CLOSED, status=theirs, id=draft.row.key)
            return
        is_taken_over = "billed_lines" in draft.plan.follows and theirs != DRAFT
        if not is_taken_over and not self._has_same_sums(draft):
            self._hold(draft)
        elif theirs == DRAFT:
            draft.values[self.attribute] = OPEN
            draft.updates_base(self.attribute, self.column, OPEN)
            draft.plan.goes_on = True
        else:
            self._follow(draft, ours, theirs)
            draft.plan.follows["status"] = "sent"

    def _follow(self, draft: Draft, ours: JsonValue, theirs: JsonValue) -> None:
        if ours != theirs:
            draft.plan.follows[self.column] = theirs
            draft.plan.follow.base_updates[self.column] = theirs
        elif draft.base.get(self.column) != theirs:
            draft.plan.base_updates[self.column] = theirs

    def _has_same_sums(self, draft: Draft) -> bool:
        return all(_cents(draft.row.values[name]) == draft.remote.get("sums")[name] for name in SUMS)

    def _hold(self, draft: Draft) -> None:
        """Nothing more is sent of it, and it says what both sides computed."""
        theirs = {name: str(Decimal(cents) / 100) for name, cents in draft.remote.get("sums").items()}
        ours = draft.row.values
        draft.plan.follow.values |= {"status": "held", **{f"gazelle_{name}": amount for name, amount in theirs.items()}}
        draft.problem(
            "total", SUMS_DIFFER, theirs=theirs["total"], their_taxes=theirs["tax_total"], ours=ours["total"],
            our_taxes=ours["tax_total"],
        )  # fmt: skip


def _cents(dollars: Any) -> int | None:
    return None if dollars is None else int(Decimal(dollars) * 100)


def _percent(rate: Any) -> str:
    return f"{(Decimal(rate) / 1000).normalize():f} %" if isinstance(rate, int) else "?"


def _pianos(lines: Sequence[Mapping[str, Any]]) -> set[str]:
    return {line["piano"] for line in lines if line["piano"]}


def _taxes(lines: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return iter({tax["id"]: tax for line in lines for tax in line["taxes"]}.values())


CONTENT = (
    Content("contact_external_id", "contact_id"),
    Content("assigned_to_external_id", "assigned_to"),
    Content("due_on", "due_on", form=_Day()),
    Content("net_days", "net_days", form=WHOLE),
    Content("notes", "notes", form=TEXT),
    Content("top_notes", "top_notes", form=TEXT),
    Content("tags", "tags", form=_Texts()),
    Content("billed_lines", "items", form=_Lines(), clears=False),
)
PULLED = r"""
jsonb_build_object(
    'status', p.status, 'contact_id', p.contact_external_id, 'assigned_to', p.assigned_to_external_id,
    'due_on', p.due_on, 'net_days', p.net_days, 'top_notes', p.top_notes, 'tags', coalesce(to_jsonb(p.tags), '[]'),
    'notes', CASE
        WHEN p.notes ~ '\[gazelle_sync [0-9a-f-]{36}\]\s*$'
        THEN nullif(regexp_replace(p.notes, '\s*\[gazelle_sync [0-9a-f-]{36}\]\s*$', ''), '')
        ELSE p.notes
    END,
    'items', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'description', nullif(regexp_replace(i.description, '^\s+|\s+$', '', 'g'), ''), 'type', i.item_type,
            'product', i.product_external_id, 'piano', i.piano_external_id,
            'quantity', round(i.quantity * 100)::bigint, 'amount', round(i.amount * 100)::bigint,
            'billable', coalesce(i.billable, true), 'taxable', coalesce(i.taxable, false),
            'taxes', (
                SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'id', coalesce(t ->> 'taxId', t ->> 'id'), 'name', t -> 'name', 'rate', t -> 'rate'
                ) ORDER BY coalesce(t ->> 'taxId', t ->> 'id') COLLATE "C"), '[]')
                FROM jsonb_array_elements(i.taxes) AS t
            )
        ) ORDER BY coalesce(i.sequence_number, 0)), '[]')
        FROM gazelle_invoice_items AS i
        WHERE i.invoice_external_id = p.external_id AND i.deleted_at IS NULL AND NOT starts_with(i.external_id, 'v4_')
    )
)
"""
"""As `InvoiceKind.holds` says it, of the row that the last pull made."""
INVOICE_DRAFTS = Pushable(
    entity=INVOICES,
    table="invoice_drafts",
    key="id",
    record_key="external_id",
    columns=(
        "client_external_id", "contact_external_id", "assigned_to_external_id", "due_on", "net_days", "notes",
        "top_notes", "tags", "billed_lines", "gazelle_status", "status", "send_requested_at", "sub_total", "tax_total",
        "total", "mark",
    ),
    instants=("send_requested_at",),
    hidden="stays_here",
    fields=(
        Guarded(),
        Invoiced("create_invoice", CONTENT, needs_parent=True),
        *CONTENT,
        Opened("gazelle_status", "status"),
    ),
    kind=INVOICE,
    last_pull=PULLED,
    edit_snapshot="'{}'::jsonb",
    names="p.number::text",
    known_by="p.number::text",
    noun=Message("invoice"),
    creates=True,
    parent_record="client_external_id",
)  # fmt: skip
