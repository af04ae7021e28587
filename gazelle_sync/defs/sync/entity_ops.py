"""One op an entity: it stages, applies, lets the checks of its tables look, and vouches for what is made of them.

Each of its assets can be made alone, and says in its metadata what was done for it. One op, and not one a stage: a step
costs Dagster's storage two events and its process a tenth of a second, and the entities are read side by side anyway,
by threads of the run's pull.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from gazelle_sync.defs.sync.checks_evaluation import check_specs, evaluations, refusals
from gazelle_sync.defs.sync.metadata import staging_metadata, table_metadata, view_metadata
from gazelle_sync.defs.sync.normalized import table_spec
from gazelle_sync.defs.sync.resources import RunSession
from gazelle_sync.defs.sync.staging import POOL, staging_spec
from gazelle_sync.defs.sync.views import ENTITIES_SHOWN, view_spec
from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.quality.finding import Finding
from gazelle_sync.quality.registry import CHECKS, GROUPS, Group

Made = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def entity_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """One multi-asset for each entity: its staging table, its production tables, the views that show it."""
    return [_entity_assets(entity, partitions) for entity in ENTITIES]


def _entity_assets(entity: Entity, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    views = [view for view, shown in ENTITIES_SHOWN.items() if shown == entity.name]
    groups = [group for group in GROUPS if group.asset in {table.name for table in entity.tables}]

    @dg.multi_asset(
        name=entity.name,
        specs=[
            staging_spec(entity, partitions),
            *(table_spec(entity, table, partitions) for table in entity.tables),
            *(view_spec(entity, view, partitions) for view in views),
        ],
        check_specs=[spec for group in groups for spec in check_specs(group)],
        can_subset=True,
        pool=POOL,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"pull"},
    )
    def sync(context: dg.AssetExecutionContext) -> Made:
        session: RunSession = context.resources.pull
        with session.failures():
            yield from _staged(context, session, entity)
            yield from _applied(context, session, entity)
            found: dict[str, Finding] = {}
            for group in groups:
                yield from evaluations(context, session, group, found)
            for view in views:
                yield from _vouched_for(context, session, groups, view, found)

    return sync


def _staged(context: dg.AssetExecutionContext, session: RunSession, entity: Entity) -> Made:
    if not _is_selected(context, entity.staging_table):
        return
    report = session.stage(context, entity.name)
    with session.connection() as connection:
        yield _result(context, entity.staging_table, staging_metadata(connection, entity, report))


def _applied(context: dg.AssetExecutionContext, session: RunSession, entity: Entity) -> Made:
    """One body fills all of an entity's tables, so all are written whichever of them was asked for."""
    tables = [table for table in entity.tables if _is_selected(context, table.name)]
    if not tables:
        return
    report = session.apply(context, entity.name)
    did = session.tell(entity.name, report)
    with session.connection() as connection:
        for table in tables:
            yield _result(context, table.name, table_metadata(connection, entity, table, report, did))


def _vouched_for(
    context: dg.AssetExecutionContext, session: RunSession, groups: list[Group], view: str, found: dict[str, Finding]
) -> Made:
    """A view is vouched for when every blocking check passes now: what an earlier run found may no longer hold."""
    if not _is_selected(context, view):
        return
    if any(CHECKS[name].blocking and finding.is_failure for name, finding in found.items()):
        return  # Dagster fails the step by that check, which says why
    if failed := [finding for group in groups for finding in refusals(session, group, found)]:
        raise dg.Failure(description="\n".join(finding.description for finding in failed), allow_retries=False)
    with session.connection() as connection:
        yield _result(context, view, view_metadata(connection, view))


def _is_selected(context: dg.AssetExecutionContext, name: str) -> bool:
    return dg.AssetKey(name) in context.selected_asset_keys


def _result(context: dg.AssetExecutionContext, name: str, metadata: dict[str, Any]) -> dg.MaterializeResult[None]:
    """Metadata by way of the context is written once, with the materialization; in the result it would be twice."""
    context.add_asset_metadata(metadata, asset_key=name)
    return dg.MaterializeResult(asset_key=name)
