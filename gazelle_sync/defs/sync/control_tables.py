"""What no asset of ours makes and checks are shown at: Gazelle itself, the log of runs, the view over all tables."""

import dagster as dg

from gazelle_sync.defs.sync.staging import OWNERS

GROUP = "books"


def books() -> list[dg.AssetSpec]:
    """External assets: Dagster shows them and their checks, and materializes none."""
    return [
        dg.AssetSpec(
            "external_id_mapping",
            description="Gazelle's ids beside ours, over all tables. Here the tables as a whole are checked.",
            group_name=GROUP,
            kinds={"postgres", "view"},
            owners=OWNERS,
            metadata={"dagster/table_name": "public.external_id_mapping"},
        ),
        dg.AssetSpec(
            "sync_logs",
            description="One row a run. Here is checked whether data flows: ages, backlog, errors, volumes.",
            group_name=GROUP,
            kinds={"postgres", "table"},
            owners=OWNERS,
            metadata={"dagster/table_name": "public.sync_logs"},
        ),
        dg.AssetSpec(
            "gazelle_api",
            description="Gazelle's API. Here its schema is checked against the operations that we send.",
            group_name=GROUP,
            kinds={"graphql"},
            owners=OWNERS,
        ),
    ]
