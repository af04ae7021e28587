"""The stock as Dagster sees it: the movements and what they add up to, made of the invoices, and their checks."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.shop.following import SAID
from gazelle_sync.defs.sync.assets import OWNERS, code_references, code_version
from gazelle_sync.defs.sync.checks import local_checks
from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.defs.sync.jobs import MAX_RUNTIME_TAG
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.quality.registry import INVENTORY
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import Settings
from gazelle_sync.shop.inventory.consumption import needs_of
from gazelle_sync.shop.inventory.follow import Followed, follow_invoices
from gazelle_sync.shop.inventory.render import describe_followed
from gazelle_sync.warehouse.migrate import migrate

GROUP = "shop"
OP, JOB = "move_stock", "follow_invoices"
MOVEMENTS, STOCK = "inventory_movements", "inventory_stock"
LONGEST_RUN_S = 3600


def inventory_assets() -> dg.AssetsDefinition:
    """One multi-asset. Making either table moves what the invoices ask for."""

    @dg.multi_asset(
        name=OP,
        specs=[
            _spec(
                MOVEMENTS,
                "Whatever changed the stock: what people counted, bought and moved, and what invoices consumed. Rows "
                "are added and never changed.",
                ["gazelle_invoices", "gazelle_invoice_items"],
            ),
            _spec(STOCK, "How much of each material each technician has: the sum of the movements.", [MOVEMENTS]),
        ],
        can_subset=True,
    )
    def move_stock(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        try:
            with embedded_services(Settings.load(), api=False) as settings:
                log.configure_once(settings)
                migrate(str(settings.database_url))
                followed = follow_invoices(settings)
                SAID[context.run.run_id] = describe_followed(settings.language, followed)
        except GazelleSyncError as error:
            raise failure_of(error) from None
        for name in (MOVEMENTS, STOCK):
            if dg.AssetKey(name) in context.selected_asset_keys:
                context.add_asset_metadata(_told(followed), asset_key=name)
                yield dg.MaterializeResult(asset_key=name)

    return move_stock


def inventory_checks() -> dg.AssetChecksDefinition:
    """The checks at the stock."""
    return local_checks("inventory_checks", [INVENTORY], thorough=True)


def inventory_job(tags: Mapping[str, str]) -> "dg.UnresolvedAssetJobDefinition":
    """The job.

    Args:
        tags: Of each of its runs.
    """
    assets = dg.AssetSelection.assets(MOVEMENTS, STOCK)
    return dg.define_asset_job(
        JOB,
        selection=assets,
        description="Moves what invoices consume, and gives back what they do no more. A sensor starts it when a pull "
        "has changed invoices.",
        config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={MAX_RUNTIME_TAG: str(LONGEST_RUN_S), **tags},
    )


def _told(followed: Followed) -> dict[str, int]:
    problems = followed.needs.without_technician if followed.needs else ()
    return {"movements": len(followed.movements), "invoices": followed.invoices, "without technician": len(problems)}


def _spec(table: str, description: str, deps: list[str]) -> dg.AssetSpec:
    code = Path(inspect.getfile(needs_of))
    return dg.AssetSpec(
        table,
        description=description,
        deps=deps,
        group_name=GROUP,
        kinds={"python", "postgres"},
        owners=OWNERS,
        code_version=code_version(code),
        metadata={**metadata_of(table), **code_references(code)},
    )
