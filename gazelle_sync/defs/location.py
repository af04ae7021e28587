"""What keeps the shops of one Dagster instance apart: each has a code location, and its name in `GAZELLE_SHOP`.

Asset keys, pools and names of jobs hold for the whole instance. With a shop's name, its assets stand under it
(`north/gazelle_clients`), its pools end with it (`gazelle_api_north`), and its runs bear it as a tag, by which every
question about runs is limited. Without a name everything is called as it always was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

import dagster as dg

from gazelle_sync.settings import shop_name
from gazelle_sync.warehouse.source import SANDBOX, environment_is_sandbox

SHOP_TAG = "gazelle_sync/shop"
SOURCE_TAG = "gazelle_sync/source"
"""Tag of runs on a sandbox, so that the list of runs shows it."""
UNNAMED_LOCATION = "gazelle_sync"
"""The code location of a shop without a name, as `workspace.yaml` names it."""
AT_ONCE = 10


def asset_key(name: str) -> dg.AssetKey:
    """The key of an asset: its table's name, below the shop's."""
    shop = shop_name()
    return dg.AssetKey([shop, name] if shop else [name])


def pool_name(name: str) -> str:
    """A pool of this shop's own."""
    shop = shop_name()
    return f"{name}_{shop}" if shop else name


def location_name() -> str:
    """What the shop's code location is to be called in the workspace."""
    return shop_name() or UNNAMED_LOCATION


def run_tags() -> dict[str, str]:
    """The tags of this shop's runs: whose they are, and whether their data are invented."""
    shop = shop_name()
    source = {SOURCE_TAG: SANDBOX.upper()} if environment_is_sandbox() else {}
    return ({SHOP_TAG: shop} if shop else {}) | source


def tag_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Give a run the tags of this shop's runs, which only jobs carry: one started from an asset's page has none."""
    add_tags(instance, run, run_tags())


def add_tags(instance: dg.DagsterInstance, run: dg.DagsterRun, tags: Mapping[str, str]) -> None:
    """Give a run that is going on some tags: both what is stored of it and the run at hand, which Dagster reads."""
    missing = {name: value for name, value in tags.items() if run.tags.get(name) != value}
    if missing:
        instance.add_run_tags(run.run_id, missing)
        cast("dict[str, str]", run.tags).update(missing)


def own_records(
    instance: dg.DagsterInstance,
    *,
    job_name: str | None = None,
    statuses: Sequence[dg.DagsterRunStatus] | None = None,
    created_after: datetime | None = None,
) -> Iterator[dg.RunRecord]:
    """The runs of this shop, newest first, read as far as somebody looks.

    Args:
        instance: That may hold the runs of other shops as well.
        job_name: Of this job only.
        statuses: In one of these only.
        created_after: Aware; younger ones only.
    """
    shop = shop_name()
    filters = dg.RunsFilter(
        job_name=job_name, statuses=statuses, created_after=created_after, tags={SHOP_TAG: shop} if shop else None
    )
    cursor: str | None = None
    while records := instance.get_run_records(filters, limit=AT_ONCE, cursor=cursor):
        # A shop without a name has no tag to ask for: those that have one are others'.
        yield from (record for record in records if record.dagster_run.tags.get(SHOP_TAG) == shop)
        if len(records) < AT_ONCE:
            return
        cursor = records[-1].dagster_run.run_id
