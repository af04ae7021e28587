"""The search index as Dagster sees it: an asset that follows the pull, so that no pull waits for it."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import dagster as dg

from gazelle_sync.defs.services import step_services
from gazelle_sync.defs.shop.following import following_job, shop_spec
from gazelle_sync.settings import Settings
from gazelle_sync.shop.search.index import Indexed, refresh
from gazelle_sync.warehouse.migrate import migrate

OP, JOB = "read_words", "index_search"
ENTRIES = "search_entries"
READ = [f"gazelle_{what}" for what in ("pianos", "clients", "invoices", "timeline_entries")]
_begun: list[Future[Indexed]] = []


@contextmanager
def words_read_beside(settings: Settings) -> Iterator[None]:
    """A block beside which the words are read; the run of `JOB` that it starts in this process takes that over.

    The database does the work, while other runs work here. Two runs in one process could each hold a lock of Dagster's
    logging that the other waits for, so they go one after the other.
    """
    with ThreadPoolExecutor(1) as beside:
        _begun.append(beside.submit(refresh, settings))
        try:
            yield
        finally:
            _begun.clear()


def search_asset() -> dg.AssetsDefinition:
    """The words by which pianos, clients, invoices and notes are found."""
    described = "The words by which the desk finds pianos, clients, invoices and notes."

    @dg.multi_asset(
        name=OP, specs=[shop_spec(ENTRIES, described, READ, refresh, {"postgres", "table"})], can_subset=True
    )
    def read_words(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with step_services(context) as settings:
            migrate(str(settings.database_url))
            indexed = _begun.pop().result() if _begun else refresh(settings)
        return dg.MaterializeResult(metadata={"written": indexed.written, "removed": indexed.removed})

    return read_words


def search_job(tags: Mapping[str, str]) -> "dg.UnresolvedAssetJobDefinition":
    """The job.

    Args:
        tags: Of each of its runs.
    """
    return following_job(JOB, [ENTRIES], "Makes what a pull brought findable at the desk. A sensor starts it.", tags)
