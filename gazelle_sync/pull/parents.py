"""A record whose parent is unknown brings it along: by id, in the same run.

A parent that Gazelle does not have (a deleted client's old visits, a user who left) is remembered as a tombstone, so
that it is not asked for on every tick and stage 2 makes it a stub. One that could not be read is a stub without a
tombstone: each run asks for it again until there is an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity, Strategy
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import Connections, together


def unknown_among(
    database: Connections, named: Sequence[tuple[Entity, Collection[str]]]
) -> list[tuple[Entity, set[str]]]:
    """Of some records of several entities those that are not held; one round trip tells."""
    query = sql.SQL(statement("pull/staging_known"))
    with database.use() as connection:
        answers = together(
            connection,
            *((query.format(staging=sql.Identifier(entity.staging_table)), [list(ids)]) for entity, ids in named),
        )
    unknown = [
        (entity, set(ids) - {external_id for (external_id,) in known})
        for (entity, ids), known in zip(named, answers, strict=True)
    ]
    return [(entity, ids) for entity, ids in unknown if ids]


def bring_parents(pull: EntityPull, named: set[str]) -> list[str]:
    """Stage the records of one entity that others name and that are not held.

    Args:
        pull: The parents' entity.
        named: Ids that fresh bodies name.

    Returns:
        What could not be read, as messages.

    Raises:
        ApiError: Gazelle cannot be asked.
    """
    known = pull.staging.held_among(sorted(named))
    missing = sorted(named - known.keys())
    if not missing:
        return []
    if pull.entity.strategy is Strategy.WHOLE_LIST:
        records, answer, is_complete = pull.reader.whole_list(pull.entity.page_operation)
        prepared = pull.staging.prepare(records, answer)
        # What this run has staged of the list since it began counts as held.
        held = pull.staging.held_among([version.external_id for version in prepared.versions])
        pull.staging.store(prepared, answer, held)
        gone = [i for i in missing if i not in held]
        if gone and records and is_complete:
            pull.staging.write_tombstones(gone)
        return []
    problems: list[str] = []
    held = {}
    for part in pull.reader.by_ids(missing):
        if part.answer is not None:
            pull.staging.write(part.bodies, part.answer, held)
        if part.gone:
            pull.staging.write_tombstones(part.gone)
        pull.failed.update(part.failed)
        problems += [f"{external_id}: {why}" for external_id, why in part.failed.items()]
    return problems


def ancestors_of(entity: Entity) -> list[Entity]:
    """The entities whose records those of one name, directly or not, parents before children."""
    names = set(entity.parents.values())
    for other in reversed(ENTITIES):
        if other.name in names:
            names |= set(other.parents.values())
    return [other for other in ENTITIES if other.name in names and other is not entity]
