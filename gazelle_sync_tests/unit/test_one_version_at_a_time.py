"""Pages of one entity are written side by side, unless they hold the same record."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from gazelle_sync.entities import TIMELINE
from gazelle_sync.pull.reading_order import ReadingOrder
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.stage import Staging
from gazelle_sync.warehouse.pool import Connections

ENOUGH_S = 0.05


def test_a_page_waits_for_the_one_that_holds_the_same_record_and_for_no_other() -> None:
    staging = Staging(
        Connections("postgresql://nowhere/none"), TIMELINE, "run", ReadingOrder(datetime.now(UTC)), EntityReport()
    )
    entered: list[str] = []

    def write(*ids: str) -> None:
        with staging.alone(ids):
            entered.append("+".join(ids))

    with staging.alone({"tme_1", "tme_2"}):
        other, same = (threading.Thread(target=write, args=ids) for ids in (["tme_3"], ["tme_2", "tme_4"]))
        other.start()
        other.join()
        same.start()
        same.join(ENOUGH_S)
        assert entered == ["tme_3"]
    same.join()
    assert entered == ["tme_3", "tme_2+tme_4"]
