"""What no record can be given of is Gazelle's matter, and is found out in minutes rather than hours."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

import pytest

from gazelle_sync.entities import CLIENTS
from gazelle_sync.errors import OperationFailed
from gazelle_sync.gazelle.client import Answer, GazelleClient
from gazelle_sync.pull.read import BAD_IN_A_ROW, ByIds, Page, Reader


class Forbidding:
    """An API that names an error about each record that it is asked for, but for those of its first requests.

    Args:
        good_requests: To so many it answers without any.
    """

    def __init__(self, good_requests: int = 0) -> None:
        self.requests = 0
        self._good_requests = good_requests

    def execute(self, operation: str, _query: str, variables: dict[str, Any], **_: Any) -> Answer:
        self.requests += 1
        nodes = [{"id": f"cli_{n}"} for n in range(variables.get("first", 0))]
        page = {"totalCount": 4000, "pageInfo": {"hasNextPage": True, "endCursor": str(self.requests)}, "nodes": nodes}
        if self.requests <= self._good_requests:
            return Answer({CLIENTS.root: page}, datetime.now(UTC), has_replacements=False)
        raise OperationFailed(
            operation, ["personalNotes is not for you"], data={CLIENTS.root: page}, bad_nodes=set(range(len(nodes)))
        )


def reader(api: Forbidding) -> Reader:
    return Reader(cast("GazelleClient", api), CLIENTS, 250)


def test_pages_on_which_no_record_can_be_given_are_not_read_to_the_end_of_the_account() -> None:
    api = Forbidding()
    read: list[Page] = []
    with pytest.raises(OperationFailed, match="not for you"):
        read.extend(reader(api).pages(CLIENTS.page_operation, {}))
    assert sum(page.holes for page in read) < BAD_IN_A_ROW
    assert api.requests < BAD_IN_A_ROW


def test_records_of_which_none_can_be_given_are_not_all_asked_for() -> None:
    api = Forbidding()
    read: list[ByIds] = []
    with pytest.raises(OperationFailed, match="not for you"):
        read.extend(reader(api).by_ids([f"cli_{n}" for n in range(4000)]))
    assert sum(len(part.failed) for part in read) < BAD_IN_A_ROW
    assert api.requests < 4 * BAD_IN_A_ROW


def test_many_bad_neighbours_among_good_records_are_only_themselves_bad() -> None:
    api = Forbidding(good_requests=1)
    read = list(islice(reader(api).pages(CLIENTS.page_operation, {}), 2 * BAD_IN_A_ROW))
    assert sum(page.holes for page in read) > BAD_IN_A_ROW
    failed = [part.failed for part in reader_after(api).by_ids([f"cli_{n}" for n in range(2 * BAD_IN_A_ROW)])]
    assert sum(map(len, failed)) == 2 * BAD_IN_A_ROW


def test_a_record_that_could_not_be_given_alone_is_not_asked_for_again() -> None:
    api = Forbidding(good_requests=1)
    one = reader_after(api)
    first = list(one.by_ids(["cli_1"]))
    requests = api.requests
    assert [part.failed for part in one.by_ids(["cli_1"])] == [part.failed for part in first]
    assert api.requests == requests


def reader_after(api: Forbidding) -> Reader:
    """A reader that has had one good page."""
    api.requests = 0
    found = reader(api)
    found.page(CLIENTS.page_operation, {})
    return found
