"""A record whose parent is unknown brings it along: by id, in the same run.

A parent that Gazelle does not have (a deleted client's old visits, a user who left) is remembered as a tombstone, so
that it is not asked for on every tick and stage 2 makes it a stub. One that could not be read is a stub without a
tombstone: each run asks for it again until there is an answer.
"""

from __future__ import annotations

from gazelle_sync.entities import Strategy
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.versions import versions_of


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
        versions = versions_of(records, answer)
        # What this run has staged of the list since it began counts as held.
        held = pull.staging.held_among([version.external_id for version in versions])
        pull.staging.store(versions, records, answer, held)
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
