"""The assets of the sync: a staging table, production tables and views an entity, and the control tables.

One op an entity stages, applies, evaluates the checks of its tables, and materializes the views of them. Each of
its assets can be made alone, and says in its metadata what was done for it. It is not one op a stage, because a step
costs Dagster's storage two events and its process a tenth of a second, and the entities are read side by side anyway,
by threads of the run's pull. For the same reason some entities share an op: where one of them fails, the others are
made all the same, and then the step fails.
"""

import hashlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from gazelle_sync.defs.failures import together
from gazelle_sync.defs.location import asset_key, pool_name
from gazelle_sync.defs.sync.checks import Evaluated, check_specs, evaluations, refusals
from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.defs.sync.metadata import staging_metadata, table_metadata, view_metadata
from gazelle_sync.defs.sync.resources import POOL, RunSession
from gazelle_sync.entities import ENTITIES, LATE, LOST, Entity, Table
from gazelle_sync.quality.finding import Finding
from gazelle_sync.quality.registry import CHECKS, GROUPS, Group
from gazelle_sync.settings import FILES, PROJECT_ROOT, Settings

STAGING, NORMALIZED, VIEWS, CONTROL = "staging", "normalized", "views", "books"
"""The groups of assets in the UI; the last one keeps its first name, since people's selections name it."""
OWNERS = ["team:shop"]
CALENDAR = "v_appointments_montreal"
ENTITIES_SHOWN = {CALENDAR: "appointments"}
"""View → the entity that it shows."""
ENTITY = {entity.name: entity for entity in ENTITIES}
LISTS = "lists"
SHARED = {LISTS: ("users", "products", "taxes"), "clients_and_pianos": ("clients", "pianos")}
"""Step → the entities that share it; each other entity has a step of its own."""
Made = Iterator[dg.MaterializeResult[None] | Evaluated]


def entity_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """One multi-asset a step: the staging tables, production tables and views of its entities."""
    shared = {name: step for step, names in SHARED.items() for name in names}
    steps: dict[str, list[Entity]] = {}
    for entity in ENTITIES:
        steps.setdefault(shared.get(entity.name, entity.name), []).append(entity)
    return [_multi_asset(step, entities, partitions) for step, entities in steps.items()]


def _multi_asset(name: str, entities: list[Entity], partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=name,
        specs=[spec for entity in entities for spec in _specs(entity, partitions)],
        check_specs=[spec for entity in entities for group in _groups(entity) for spec in check_specs(group)],
        can_subset=True,
        pool=pool_name(POOL),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def sync(context: dg.AssetExecutionContext, pull: dg.ResourceParam[RunSession]) -> Made:
        failed: list[dg.Failure] = []
        for entity in entities:
            try:
                with pull.failures():
                    yield from _made(context, pull, entity)
            except dg.Failure as failure:
                failed.append(failure)
        if failed:
            raise together(failed)

    return sync


def _specs(entity: Entity, partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetSpec]:
    return [
        staging_spec(entity, partitions),
        *(table_spec(entity, table, partitions) for table in entity.tables),
        *(view_spec(entity, view, partitions) for view in _views(entity)),
    ]


def _views(entity: Entity) -> list[str]:
    return [view for view, shown in ENTITIES_SHOWN.items() if shown == entity.name]


def _groups(entity: Entity) -> list[Group]:
    return [group for group in GROUPS if group.asset in {table.name for table in entity.tables}]


def _made(context: dg.AssetExecutionContext, session: RunSession, entity: Entity) -> Made:
    yield from _staged(context, session, entity)
    yield from _applied(context, session, entity)
    groups = _groups(entity)
    found: dict[str, Finding] = {}
    yield from evaluations(context, session, groups, found)
    for view in _views(entity):
        yield from _view_made(context, session, groups, view, found)


def _staged(context: dg.AssetExecutionContext, session: RunSession, entity: Entity) -> Made:
    if not _is_selected(context, entity.staging_table):
        return
    report = session.stage(context, entity.name)
    counts = session.counts(entity, report)
    yield _result(context, entity.staging_table, staging_metadata(counts, entity, report))


def _applied(context: dg.AssetExecutionContext, session: RunSession, entity: Entity) -> Made:
    """One body fills all of an entity's tables, so all are written whichever of them was asked for."""
    tables = [table for table in entity.tables if _is_selected(context, table.name)]
    if not tables:
        return
    report = session.apply(context, entity.name)
    did = session.tell(entity.name, report)
    counts = session.counts(entity, report)
    for table in tables:
        yield _result(context, table.name, table_metadata(counts, entity, table, report, did))


def _view_made(
    context: dg.AssetExecutionContext, session: RunSession, groups: list[Group], view: str, found: dict[str, Finding]
) -> Made:
    """A view is materialized where every blocking check passes now: what an earlier run found may no longer hold."""
    if not _is_selected(context, view):
        return
    if any(CHECKS[name].blocking and finding.is_failure for name, finding in found.items()):
        return  # Dagster fails the step by that check, which says why
    if failed := [finding for group in groups for finding in refusals(session, group, found)]:
        raise dg.Failure(description="\n".join(finding.description for finding in failed), allow_retries=False)
    entity = ENTITY[ENTITIES_SHOWN[view]]
    yield _result(context, view, view_metadata(session.counts(entity), entity))


def _is_selected(context: dg.AssetExecutionContext, name: str) -> bool:
    return asset_key(name) in context.selected_asset_keys


def _result(context: dg.AssetExecutionContext, name: str, metadata: dict[str, Any]) -> dg.MaterializeResult[None]:
    """Metadata by way of the context is written once, with the materialization; in the result it would be twice."""
    context.add_asset_metadata(metadata, asset_key=asset_key(name))
    return dg.MaterializeResult(asset_key=asset_key(name))


def staging_spec(entity: Entity, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The asset of an entity's staging table."""
    return dg.AssetSpec(
        asset_key(entity.staging_table),
        description=f"{entity.description}\n\nThe bodies as Gazelle sent them, one row a version. Nothing is "
        "transformed here; production can be made again from these rows alone.",
        group_name=STAGING,
        kinds={"graphql", "postgres"},
        owners=OWNERS,
        partitions_def=partitions,
        freshness_policy=_freshness(),
        code_version=code_version(operations_of(entity)),
        metadata={**metadata_of(entity.staging_table), **code_references(operations_of(entity))},
    )


def _freshness() -> dg.FreshnessPolicy:
    """How old what was read may be. Only the staging tables have a policy, since only making them reads from Gazelle.

    Production can be made again from staging all day, and is not the fresher for it.
    """
    pause = Settings.for_definitions().pause
    return dg.FreshnessPolicy.time_window(fail_window=LOST + pause, warn_window=LATE + pause)


def table_spec(entity: Entity, table: Table, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The asset of a production table."""
    return dg.AssetSpec(
        asset_key(table.name),
        description=table.description,
        # Of what it is computed, and no more: foreign keys tie tables, not computations. A record whose parent is
        # unknown brings it along or gets a stub, so when the clients cannot be read the pianos go on. (With a
        # dependency for each foreign key a backfill over several days failed as well: Dagster 1.13 takes equal
        # partition subsets of sibling tables for different ones when they are reached over different paths.)
        deps=[asset_key(entity.staging_table)],
        group_name=NORMALIZED,
        kinds={"python", "postgres"},
        owners=OWNERS,
        partitions_def=partitions,
        code_version=code_version(reconciler_of(entity)),
        metadata={
            **metadata_of(table.name),
            **code_references(reconciler_of(entity)),
            "refers to": ", ".join(sorted(set(table.references.values()))) or "—",
        },
    )


def view_spec(entity: Entity, view: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The asset of a view."""
    return dg.AssetSpec(
        asset_key(view),
        description="The calendar as the wall clock in Montreal shows it. It checks the appointments' hours itself, "
        "and is not materialized while a check of them fails.",
        deps=[asset_key(entity.table.name)],
        group_name=VIEWS,
        kinds={"postgres", "view"},
        owners=OWNERS,
        partitions_def=partitions,
        code_version=code_version(migration_of(view)),
        metadata={**metadata_of(view), **code_references(migration_of(view))},
    )


def operations_of(entity: Entity) -> Path:
    """The file of the GraphQL operations that read an entity."""
    return PROJECT_ROOT / "gazelle_sync" / "gazelle" / "operations" / f"{entity.name}.graphql"


def reconciler_of(entity: Entity) -> Path:
    """The module that makes rows of an entity's bodies."""
    return Path(inspect.getfile(entity.reconcile))


@cache
def migration_of(view: str) -> Path:
    """The newest migration that creates a view."""
    creates = f"VIEW public.{view} AS"
    return max(
        path for path in (FILES / "sql" / "migrations").glob("*.sql") if creates in path.read_text(encoding="utf-8")
    )


def code_version(path: Path) -> str:
    """Changes with the file that decides what an asset holds, so that the UI marks what older code made."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def code_references(path: Path) -> dict[str, Any]:
    """Metadata that names the file, by its path in the project: nothing of the machine goes into the definitions."""
    source = dg.LocalFileCodeReference(file_path=path.resolve().relative_to(PROJECT_ROOT).as_posix())
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[source])}


def control_tables() -> list[dg.AssetSpec]:
    """External assets: Dagster shows them and their checks, and materializes none."""
    return [
        dg.AssetSpec(
            asset_key("external_id_mapping"),
            description="Gazelle's ids beside ours, over all tables. Here the tables as a whole are checked.",
            group_name=CONTROL,
            kinds={"postgres", "view"},
            owners=OWNERS,
            metadata=metadata_of("external_id_mapping"),
        ),
        dg.AssetSpec(
            asset_key("sync_logs"),
            description="One row a run. Here is checked whether data flows: ages, backlog, errors, volumes.",
            group_name=CONTROL,
            kinds={"postgres", "table"},
            owners=OWNERS,
            metadata=metadata_of("sync_logs"),
        ),
        dg.AssetSpec(
            asset_key("gazelle_api"),
            description="Gazelle's API. Here its schema is checked against the operations that we send.",
            group_name=CONTROL,
            kinds={"graphql"},
            owners=OWNERS,
        ),
    ]
