"""Matches that are likely and were not made: names that are alike, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gazelle_sync.entities import IMPORTED
from gazelle_sync.shop.csv_import.outcomes import FileOutcome, Proposal
from gazelle_sync.shop.csv_import.values import plain
from gazelle_sync.warehouse.connect import Connection, statement

ALIKE: Final = 86.0
MOST: Final = 500


def propose(connection: Connection, files: Sequence[FileOutcome], import_id: int) -> list[Proposal]:
    """Clients that this import made, or looked for by name, and that are called like one of Gazelle's.

    Args:
        connection: To the database.
        files: What became of the files.
        import_id: Of the import.
    """
    if not any(one.entity in ("clients", "alert_clients") for one in files):
        return []
    from rapidfuzz import fuzz, process

    made = connection.execute(statement("csv_import/made_clients"), {"import_id": import_id}).fetchall()
    named = connection.execute(statement("csv_import/client_names")).fetchall()
    gazelles = [(i, name) for i, *names in named if not i.startswith(IMPORTED) for name in names if name]
    choices = [plain(name) for _, name in gazelles]
    found = []
    for what, name in made:
        best = process.extractOne(plain(name), choices, scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE)
        if best is not None:
            external_id, other = gazelles[best[2]]
            found.append(Proposal(what, name, external_id, other, best[1]))
    return sorted(found, key=lambda one: -one.score)[:MOST]
