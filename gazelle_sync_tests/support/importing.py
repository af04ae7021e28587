"""Imports of an older system's files in tests: a folder of invented files goes in, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gazelle_sync.shop.csv_import.outcomes import FileOutcome, Outcome
from gazelle_sync.shop.csv_import.session import Request, run_import
from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.old_files import table, write
from gazelle_sync_tests.support.shop import Shop

COUNTED = (
    "gazelle_clients", "gazelle_contacts", "gazelle_pianos", "gazelle_invoices", "gazelle_invoice_items",
    "gazelle_appointments", "gazelle_timeline_entries", "shop_products", "inventory_movements", "inventory_stock",
    "maintenance_alerts", "staging_import", "push_state",
)  # fmt: skip
"""What an import may write."""


def imported(shop: Shop, folder: Path, found: Mapping[str, bytes], **request: Any) -> dict[str, FileOutcome]:
    """Import a folder of these files; each file by its name."""
    outcome = run_import(shop.settings, Request(write(folder, found), **request))
    check_sums(outcome)
    return {one.file: one for one in outcome.files}


def check_sums(outcome: Outcome) -> None:
    """Every row has one outcome, and each rejected one is told."""
    for one in outcome.files:
        told = one.as_json()
        assert told["rows"] == sum(told[name] for name in ("imported", "merged", "rejected", "skipped"))
        assert len(told["rejections"]) == told["rejected"]


def rejections(one: FileOutcome) -> dict[int, str]:
    """Line → why it was rejected."""
    return {line.line: line.reason for line in one.lines if line.outcome == "rejected"}


def everything(shop: Shop) -> dict[str, Any]:
    """All rows that an import may write."""
    return {name: sorted(shop.query(f"SELECT to_jsonb(t)::text FROM {name} AS t")) for name in COUNTED}  # noqa: S608


def clients(*rows: Mapping[str, object]) -> bytes:
    """A file of clients of the SQLite system."""
    return table(old.CLIENTS, rows)
