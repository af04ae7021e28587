"""The asset graph as text, and all that starts it; `python -m gazelle_sync_tests.support.graph` writes it anew."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import dagster as dg

SNAPSHOT = Path(__file__).parents[1] / "defs" / "asset_graph.json"


def drawn(definitions: dg.Definitions) -> str:
    """The graph of the definitions, sorted."""
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    checks: dict[str, list[str]] = {}
    for key in graph.asset_check_keys:
        blocking = " (blocking)" if graph.get_check_spec(key).blocking else ""
        checks.setdefault(key.asset_key.to_user_string(), []).append(key.name + blocking)
    assets = {
        spec.key.to_user_string(): {
            "group": spec.group_name,
            "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "checks": sorted(checks.get(spec.key.to_user_string(), [])),
            "kinds": sorted(spec.kinds),
            "owners": list(spec.owners),
            "partitions": type(spec.partitions_def).__name__ if spec.partitions_def else None,
            "code": [source.file_path for source in _code_references(spec)],
        }
        for spec in definitions.resolve_all_asset_specs()
    }
    found: dict[str, Any] = {
        "assets": assets,
        "jobs": {name: _selected(repository.get_job(name)) for name in repository.job_names if name[:2] != "__"},
        "schedules": {one.name: [one.cron_schedule, one.job_name] for one in repository.schedule_defs},
        "sensors": {one.name: sorted(target.job_name for target in one.targets) for one in repository.sensor_defs},
    }
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def _code_references(spec: dg.AssetSpec) -> list[dg.LocalFileCodeReference]:
    value = spec.metadata.get("dagster/code_references")
    sources = value.code_references if isinstance(value, dg.CodeReferencesMetadataValue) else []
    return [source for source in sources if isinstance(source, dg.LocalFileCodeReference)]


def _selected(job: dg.JobDefinition) -> str:
    layer = job.asset_layer
    return f"{len(layer.selected_asset_keys)} assets, {len(list(layer.asset_graph.asset_check_keys))} checks"


if __name__ == "__main__":
    from gazelle_sync.definitions import build_defs

    warnings.simplefilter("ignore")
    SNAPSHOT.write_text(drawn(build_defs()), encoding="utf-8")
