"""What a case is judged by: figures that must all be zero."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

LOST = "lost"
"""Gazelle has it and production does not, or a record that a promise says must have arrived did not."""
DOUBLED = "doubled"
"""Production has it twice, or holds as living what Gazelle has no more; or one version is staged twice in a row."""
DELETED = "falsely deleted"
"""Marked deleted, or its row removed, while Gazelle has it."""
OVERWRITTEN = "wrongly overwritten"
"""A column that is not what Gazelle says; or what people entered here is gone."""
INSTANTS = "instants off"
"""`start_at`, its date and time, or the Montreal view is not the instant that Gazelle holds."""
ALERTS = "alerts missing"
"""A run lost or delayed something, or was broken to its end, and said nothing of it, or not what."""
FALSE_ALARMS = "false alarms"
"""A run of a healthy API, or one that had what it needed, said that something is wrong."""
FIGURES = (LOST, DOUBLED, DELETED, OVERWRITTEN, INSTANTS, ALERTS, FALSE_ALARMS)

COMMENTS_LOST = "comments lost"
"""A note or a service that the local row says (or the log says was sent) is not at Gazelle."""
COMMENTS_DOUBLED = "comments doubled"
"""Gazelle has a note, a service or a measurement of ours more than once."""
TAGS_LOST = "tags lost"
"""A tag that people at Gazelle gave is gone, or one that they took away is back."""
TEXT_LOST = "text lost"
"""What people wrote at Gazelle, around our block or as comments, is gone, doubled, or torn apart."""
TWO_STATES = "two states"
"""A piano has two status tags."""
LOSERS_UNTOLD = "losers untold"
"""A value lost against the other side's, and is not in `sync_conflicts`."""
SILENT = "not sent in silence"
"""A row says that Gazelle has it, and Gazelle does not."""
TOLD = "told by mistake"
"""What must stay in the shop is at Gazelle, or there is a comment that nobody wrote."""
UNSETTLED = "not settled"
"""Everything is healthy again, and after some pushes a row is still due, in error or in doubt, or sent again."""
PUSH_FIGURES = (COMMENTS_LOST, COMMENTS_DOUBLED, TAGS_LOST, TEXT_LOST, TWO_STATES, LOSERS_UNTOLD, SILENT, TOLD,
                UNSETTLED, ALERTS, FALSE_ALARMS)  # fmt: skip


RECORD_FIGURES = (LOST, DOUBLED, TEXT_LOST, LOSERS_UNTOLD, SILENT, UNSETTLED, ALERTS, FALSE_ALARMS)
"""Of records that are made, changed and ended: lost and doubled are those of Gazelle."""

VISITS_LOST = "visits lost"
"""A draft says that its visit is at Gazelle, or people wanted one, and there is none; or what was done in it is not."""
VISITS_DOUBLED = "visits doubled"
"""One draft made two events, or what was done stands twice in a piano's history."""
HALVES = "half of a joint visit"
"""One technician of a joint visit comes, and another does not."""
WENT_BACK = "went back"
"""A visit that was over or confirmed is not any more; or a change that was sent, or withdrawn, is to be sent again."""
CLIENTS_TOLD = "clients told"
"""A client got a mail that nobody asked for."""
VISIT_FIGURES = (VISITS_LOST, VISITS_DOUBLED, HALVES, WENT_BACK, CLIENTS_TOLD, TEXT_LOST, LOSERS_UNTOLD, SILENT, TOLD,
                 UNSETTLED, ALERTS, FALSE_ALARMS)  # fmt: skip

INVOICES_LOST = "invoices lost"
"""A draft that somebody sent, or that says that it was, has no invoice at Gazelle."""
INVOICES_DOUBLED = "invoices doubled"
"""One draft made two invoices."""
PAYMENTS_LOST = "payments lost"
"""A payment that was entered here is not at Gazelle."""
PAYMENTS_DOUBLED = "payments doubled"
"""A payment stands at Gazelle more often than it was entered."""
CENTS_OFF = "cents off"
"""An invoice is open, or something was sent for it, though its sums are not ours; or another sum was paid."""
INVOICE_FIGURES = (INVOICES_LOST, INVOICES_DOUBLED, PAYMENTS_LOST, PAYMENTS_DOUBLED, CENTS_OFF, CLIENTS_TOLD, TEXT_LOST,
                   LOSERS_UNTOLD, SILENT, TOLD, UNSETTLED, ALERTS, FALSE_ALARMS)  # fmt: skip


@dataclass
class Figures:
    """Counts, with a few examples of each in words."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, figure: str, example: str) -> None:
        """Count one."""
        self.counts[figure] += 1
        if self.counts[figure] <= 3:
            self.examples.append(f"{figure}: {example}")

    def __bool__(self) -> bool:
        return any(self.counts.values())
