"""The peer: the same account loaded by dlt, as a good dlt user would write it. Runs in `.venv-bench`, not in ours.

One resource an entity, fetched side by side, merged by id into PostgreSQL. What makes dlt fast is used: nested lists
stay JSON (`max_table_nesting=0`; tables of their own took about a third more processor time), no telemetry, no
progress bar, and of its file formats and merge strategies both that may win (peer.WAYS).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dlt  # type: ignore[import-not-found]  # of an environment of its own
import httpx
import orjson  # type: ignore[import-not-found]

Task = dict[str, Any]
"""What the benchmark tells: `url`, `key`, `page_size`, `entities` (name, root, operation, text, variables, is_list)."""


def pages(client: httpx.Client, entity: Task, page_size: int) -> Iterator[list[Any]]:
    """The pages of one entity."""
    variables = dict(entity["variables"])
    if not entity["is_list"]:
        variables["first"] = page_size
    while True:
        body = {"operationName": entity["operation"], "query": entity["text"], "variables": variables}
        answer = client.post("/graphql/private/", content=orjson.dumps(body))
        answer.raise_for_status()
        payload = orjson.loads(answer.content)
        if payload.get("errors"):
            raise RuntimeError(str(payload["errors"])[:300])
        found = payload["data"][entity["root"]]
        if entity["is_list"]:
            yield found
            return
        yield found["nodes"]
        if not found["pageInfo"]["hasNextPage"]:
            return
        variables["after"] = found["pageInfo"]["endCursor"]


def from_api(task: Task, options: argparse.Namespace) -> list[Any]:
    """One resource an entity, read from the API on threads of their own."""
    client = httpx.Client(
        base_url=task["url"],
        headers={"x-gazelle-api-key": task["key"], "Content-Type": "application/json"},
        timeout=60,
        trust_env=False,
    )
    return [
        dlt.resource(
            pages,
            name=entity["name"],
            primary_key="id",
            write_disposition=disposition(options),
            max_table_nesting=options.nesting,
            parallelized=True,
        )(client, entity, task["page_size"])
        for entity in task["entities"]
    ]


def from_memory(path: Path, options: argparse.Namespace) -> list[Any]:
    """The timeline alone, from pages in memory, as the API would send them."""
    lines = path.read_bytes().splitlines()

    def timeline() -> Iterator[list[Any]]:
        for line in lines:
            yield orjson.loads(line)["data"]["allTimelineEntries"]["nodes"]

    return [
        dlt.resource(
            timeline,
            name="timeline",
            primary_key="id",
            write_disposition=disposition(options),
            max_table_nesting=options.nesting,
        )()
    ]


def disposition(options: argparse.Namespace) -> dict[str, str]:
    """Merge, by the strategy asked for."""
    return {"disposition": "merge", "strategy": options.strategy}


def main() -> None:
    """Load what the task names; the last line of output is what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", type=Path, help="JSON with the account to read")
    parser.add_argument("--pages", type=Path, help="pages of the timeline, a line each")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--database", required=True)
    parser.add_argument("--pipelines-dir", required=True)
    parser.add_argument("--strategy", default="upsert")
    parser.add_argument("--format", default="csv")
    parser.add_argument("--nesting", type=int, default=0)
    options = parser.parse_args()
    resources = (
        from_memory(options.pages, options)
        if options.pages
        else from_api(json.loads(options.task.read_text(encoding="utf-8")), options)
    )
    credentials = {
        "host": quote(options.host, safe=""),  # the directory of a socket: dlt makes an address of it
        "port": options.port,
        "username": "postgres",
        "password": "unused",
        "database": options.database,
    }
    begun = time.perf_counter()
    pipeline = dlt.pipeline(
        pipeline_name="peer",
        pipelines_dir=options.pipelines_dir,
        destination=dlt.destinations.postgres(credentials=credentials),
        dataset_name="peer",
    )
    pipeline.run(resources, loader_file_format=options.format)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - begun}) + "\n")


if __name__ == "__main__":
    main()
