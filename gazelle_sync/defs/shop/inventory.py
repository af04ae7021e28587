"""The stock as Dagster sees it: the movements and what they add up to, made of the invoices, and their checks."""

from collections.abc import Iterator, Mapping

import dagster as dg

from gazelle_sync.defs.location import asset_key
from gazelle_sync.defs.services import step_services
from gazelle_sync.defs.shop.following import SAID, following_job, shop_spec
from gazelle_sync.defs.sync.checks import local_checks
from gazelle_sync.quality.registry import INVENTORY
from gazelle_sync.shop.inventory.consumption import needs_of
from gazelle_sync.shop.inventory.follow import Followed, follow_invoices
from gazelle_sync.shop.inventory.render import describe_followed
from gazelle_sync.warehouse.migrate import migrate

OP, JOB = "move_stock", "follow_invoices"
MOVEMENTS, STOCK = "inventory_movements", "inventory_stock"


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
        with step_services(context) as settings:
            migrate(str(settings.database_url))
            followed = follow_invoices(settings)
            SAID[context.run.run_id] = describe_followed(settings.language, followed)
        for name in (MOVEMENTS, STOCK):
            if asset_key(name) in context.selected_asset_keys:
                context.add_asset_metadata(_told(followed), asset_key=asset_key(name))
                yield dg.MaterializeResult(asset_key=asset_key(name))

    return move_stock


def inventory_checks() -> dg.AssetChecksDefinition:
    """The checks at the stock."""
    return local_checks("inventory_checks", [INVENTORY], thorough=True)


def inventory_job(tags: Mapping[str, str]) -> "dg.UnresolvedAssetJobDefinition":
    """The job.

    Args:
        tags: Of each of its runs.
    """
    return following_job(
        JOB,
        [MOVEMENTS, STOCK],
        "Moves what invoices consume, and gives back what they do no more. A sensor starts it when a pull has changed "
        "invoices.",
        tags,
    )


def _told(followed: Followed) -> dict[str, int]:
    problems = followed.needs.without_technician if followed.needs else ()
    return {"movements": len(followed.movements), "invoices": followed.invoices, "without technician": len(problems)}


def _spec(table: str, description: str, deps: list[str]) -> dg.AssetSpec:
    return shop_spec(table, description, deps, needs_of, {"python", "postgres"})
