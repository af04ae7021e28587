"""The sandbox reads as Gazelle does: connections, filters, dialects, null."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import graphql
import pytest

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.sandbox.encoding import Json
from gazelle_sync.sandbox.execution import schema_for, schema_text
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox

PUBLISHED = Path(__file__).parents[3] / "shared" / "gazelle-api" / "schema.graphql"
OPERATIONS = Path(__file__).parents[2] / "gazelle_sync" / "gazelle" / "operations"


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "gazelle.sqlite", scale=0.05) as sandbox:
        sandbox.admin.snapshot()
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    shared_sandbox.admin.restore()
    shared_sandbox.admin.settings(dialect="published", max_page_size=1000)
    return shared_sandbox


def data(sandbox: RunningSandbox, query: str, **variables: object) -> Json:
    answer = sandbox.ask(query, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def test_a_row_deleted_during_a_scan_shifts_the_pages_so_that_a_row_is_skipped(sandbox: RunningSandbox) -> None:
    page = "query($after: String) { allClients(first: 5, after: $after) { nodes { id } pageInfo { endCursor } } }"
    every = [row["id"] for row in data(sandbox, "{ allClients(first: 100) { nodes { id } } }")["allClients"]["nodes"]]
    first = data(sandbox, page)["allClients"]
    sandbox.admin.delete("clients", every[0])
    second = data(sandbox, page, after=first["pageInfo"]["endCursor"])["allClients"]
    assert [row["id"] for row in second["nodes"]] == every[6:11]


def test_last_and_before_select_the_end_of_a_list(sandbox: RunningSandbox) -> None:
    every = data(sandbox, "{ allPianos(first: 1000) { totalCount edges { cursor node { id } } } }")["allPianos"]
    edges = every["edges"]
    assert len(edges) == every["totalCount"]
    end = data(sandbox, "{ allPianos(last: 3) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }")["allPianos"]
    assert [row["id"] for row in end["nodes"]] == [edge["node"]["id"] for edge in edges[-3:]]
    assert end["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": True}
    before = data(
        sandbox, "query($c: String) { allPianos(last: 2, before: $c) { nodes { id } } }", c=edges[10]["cursor"]
    )
    assert [row["id"] for row in before["allPianos"]["nodes"]] == [edge["node"]["id"] for edge in edges[8:10]]


def test_a_page_larger_than_the_maximum_is_cut_in_silence(sandbox: RunningSandbox) -> None:
    sandbox.admin.settings(max_page_size=7)
    found = data(sandbox, "{ allClients(first: 500) { nodes { id } pageInfo { hasNextPage } } }")["allClients"]
    assert len(found["nodes"]) == 7
    assert found["pageInfo"]["hasNextPage"]


def test_the_timeline_is_read_from_an_instant_on_the_newest_first(sandbox: RunningSandbox) -> None:
    entries = sorted(row["occurredAt"] for row in sandbox.admin.dump("timeline"))
    since = entries[len(entries) // 2]
    query = """query($d: CoreDateTime) {
      allTimelineEntries(occurredAtGet: $d, first: 10) { totalCount nodes { occurredAt } }
    }"""
    found = data(sandbox, query, d=since)["allTimelineEntries"]
    assert found["totalCount"] == sum(instant >= since for instant in entries)
    assert [row["occurredAt"] for row in found["nodes"]] == entries[::-1][:10]
    with_offset = datetime.fromisoformat(since).astimezone(MONTREAL).isoformat()
    assert data(sandbox, query, d=with_offset)["allTimelineEntries"]["totalCount"] == found["totalCount"]


def test_counts_of_many_days_come_in_one_request(sandbox: RunningSandbox) -> None:
    days = [(datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT05:00:00Z") for days in range(100)]
    parts = [f'd{n}: allTimelineEntries(occurredAtGet: "{day}") {{ totalCount }}' for n, day in enumerate(days)]
    counts = [row["totalCount"] for row in data(sandbox, f"{{ {' '.join(parts)} }}").values()]
    assert counts == sorted(counts)
    assert len(counts) == 100


def test_events_are_filtered_by_montreal_days_both_included(sandbox: RunningSandbox) -> None:
    created = sandbox.admin.create("events", start="2030-07-02T03:30:00Z", status="ACTIVE", type="MEMO", title="Tard")
    query = "query($f: PrivateAllEventsFilter) { allEventsBatched(filters: $f) { nodes { id } } }"

    def ids(first: str, last: str) -> list[str]:
        nodes = data(sandbox, query, f={"dateGet": first, "dateLet": last})["allEventsBatched"]["nodes"]
        return [row["id"] for row in nodes]

    assert ids("2030-07-01", "2030-07-01") == [created["id"]]
    assert ids("2030-07-02", "2030-07-02") == []


def test_records_that_are_gone_answer_null_without_errors(sandbox: RunningSandbox) -> None:
    piano = sandbox.admin.dump("pianos")[0]
    sandbox.admin.delete("pianos", piano["id"])
    query = "query($id: String!) { piano(id: $id) { id } client(id: $id) { id } event(eventId: $id) { id } }"
    assert data(sandbox, query, id=piano["id"]) == {"piano": None, "client": None, "event": None}


def test_entries_of_a_deleted_client_still_name_it(sandbox: RunningSandbox) -> None:
    living = {row["id"] for row in sandbox.admin.dump("clients")}
    ghosts = {row["clientId"] for row in sandbox.admin.dump("timeline")} - living
    assert ghosts
    query = """query($id: String) {
      client(id: $id) { id }
      allTimelineEntries(clientId: $id) { nodes { client { id tags } } }
    }"""
    for ghost in ghosts:
        found = data(sandbox, query, id=ghost)
        assert found["client"] is None
        assert {row["client"]["id"] for row in found["allTimelineEntries"]["nodes"]} == {ghost}


def test_a_null_where_none_may_be_goes_up_to_the_nearest_field_that_may_be_null(sandbox: RunningSandbox) -> None:
    client = sandbox.admin.dump("clients")[3]
    sandbox.admin.edit("clients", client["id"], tags=None)
    answer = sandbox.ask("{ list: allClients(first: 5) { rows: nodes { id tags } } }")
    assert answer["data"]["list"]["rows"][3] is None
    assert answer["data"]["list"]["rows"][2]["tags"] is not None
    assert answer["errors"][0]["path"] == ["list", "rows", 3, "tags"]


def test_fragments_aliases_directives_and_defaults_work(sandbox: RunningSandbox) -> None:
    client = sandbox.admin.dump("clients")[0]
    query = """
        query Hydrate($id: String!, $without: Boolean = true) {
          n0: client(id: $id) { ...Body ... on PrivateClient { label: companyName } }
          n1: client(clientId: $id) { ...Body }
          __typename
        }
        fragment Body on PrivateClient { __typename id updatedAt @skip(if: $without) }
    """
    found = data(sandbox, query, id=client["id"])
    assert found == {
        "n0": {"__typename": "PrivateClient", "id": client["id"], "label": client["companyName"]},
        "n1": {"__typename": "PrivateClient", "id": client["id"]},
        "__typename": "PrivateQuery",
    }
    assert "updatedAt" in data(sandbox, query, id=client["id"], without=False)["n0"]


def test_an_institution_has_more_contacts_than_a_page_holds_and_hides_the_archived_ones(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "gazelle.sqlite", scale=0.02) as sandbox:
        query = """{ allClients { nodes {
          allContacts(includeArchived: true) { totalCount nodes { id } }
          shown: allContacts { totalCount }
        } } }"""
        clients = data(sandbox, query)["allClients"]["nodes"]
    most = max(clients, key=lambda row: row["allContacts"]["totalCount"])
    assert most["allContacts"]["totalCount"] == 120
    assert len(most["allContacts"]["nodes"]) == 100
    assert most["shown"]["totalCount"] < 120


def test_an_invalid_query_is_refused_with_an_error(sandbox: RunningSandbox) -> None:
    answer = sandbox.ask("{ allClients { nodes { nothing } } }")
    assert "data" not in answer
    assert "nothing" in answer["errors"][0]["message"]


def test_the_published_dialect_has_no_sort_by_last_change_and_the_seed_dialect_has(sandbox: RunningSandbox) -> None:
    query = "{ allClients(sortBy: [UPDATED_AT_DESC]) { nodes { updatedAt } } }"
    assert "errors" in sandbox.ask(query)
    sandbox.admin.settings(dialect="seed")
    sandbox.admin.edit("clients", sandbox.admin.dump("clients")[5]["id"], touch=False, updatedAt=None)
    stamps = [row["updatedAt"] for row in data(sandbox, query)["allClients"]["nodes"]]
    nulls = stamps.count(None)
    assert nulls > 0
    assert stamps == [None] * nulls + sorted(stamps[nulls:], reverse=True)
    start = data(sandbox, '{ allEventsBatched(filters: {startGte: "2031-01-01T00:00:00Z"}) { totalCount } }')
    assert start["allEventsBatched"]["totalCount"] == 0


@pytest.mark.parametrize("dialect", ["published", "seed"])
def test_introspection_tells_the_dialects_apart(sandbox: RunningSandbox, dialect: str) -> None:
    sandbox.admin.settings(dialect=dialect)
    found = data(sandbox, '{ __type(name: "ClientSort") { enumValues { name } } }')["__type"]["enumValues"]
    assert ({"name": "UPDATED_AT_DESC"} in found) == (dialect == "seed")
    answer = data(sandbox, graphql.get_introspection_query())
    assert graphql.build_client_schema(answer).query_type is not None


def test_the_seed_account_has_its_documented_sizes(tmp_path: Path) -> None:
    today = datetime.now(MONTREAL).date()
    window = f'dateGet: "{today - timedelta(days=30)}", dateLet: "{today + timedelta(days=365)}"'
    month = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = f"""{{
        clients: allClients {{ totalCount }} pianos: allPianos {{ totalCount }} invoices: allInvoices {{ totalCount }}
        window: allEventsBatched(filters: {{ {window} }}) {{ totalCount }} events: allEventsBatched {{ totalCount }}
        recent: allTimelineEntries(occurredAtGet: "{month}") {{ totalCount }}
        timeline: allTimelineEntries {{ totalCount }}
        allUsers {{ id }} allMasterServiceItems {{ id }}
        coyote: allEventsBatched(filters: {{ search: "Tire le Coyote" }}) {{ nodes {{ title start }} }}
    }}"""
    with running_sandbox(tmp_path / "gazelle.sqlite") as sandbox:
        found = data(sandbox, query)
    counts = {name: value["totalCount"] for name, value in found.items() if "totalCount" in value}
    assert counts["clients"] == 1344
    assert counts["pianos"] == 1031
    assert counts["window"] == 267
    assert counts["recent"] == 123
    records = sum(counts[name] for name in ("clients", "pianos", "invoices", "events", "timeline"))
    assert records + len(found["allUsers"]) + len(found["allMasterServiceItems"]) == 27_000
    local = {
        (row["title"], datetime.fromisoformat(row["start"]).astimezone(MONTREAL).strftime("%m %H:%M"))
        for row in found["coyote"]["nodes"]
    }
    assert local == {
        (title, f"{month} {time}")
        for month in ("01", "07")
        for title, time in (("Tire le Coyote avant 8h", "07:00"), ("Tire le Coyote à 18h", "18:00"))
    }


def test_the_same_number_gives_the_same_account(tmp_path: Path) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    dumps = []
    for name in ("one", "two"):
        with running_sandbox(tmp_path / f"{name}.sqlite", scale=0.02, now=now) as sandbox:
            dumps.append([sandbox.admin.dump(kind) for kind in ("clients", "events", "timeline", "invoices")])
    assert dumps[0] == dumps[1]


@pytest.mark.parametrize("dialect", ["published", "seed"])
def test_every_operation_of_the_client_is_valid(dialect: str) -> None:
    for path in sorted(OPERATIONS.glob("*.graphql")):
        # The push builds its documents of fragments: its file holds them unused.
        rules = [
            rule for rule in graphql.specified_rules if rule is not graphql.NoUnusedFragmentsRule or path.stem != "push"
        ]
        document = graphql.parse(path.read_text(encoding="utf-8"))
        assert graphql.validate(schema_for(dialect), document, rules) == [], path.name


def test_the_schema_is_part_of_the_published_one() -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"the published type system is not at {PUBLISHED}")
    published = graphql.build_schema(PUBLISHED.read_text(encoding="utf-8"))
    ours = graphql.build_schema(schema_text("published"))
    changes = graphql.utilities.find_breaking_changes(ours, published)
    # A larger schema takes nothing away; input fields that are required there and unknown here would.
    assert [change.description for change in changes] == []
    for name, kind in ours.type_map.items():
        theirs = published.type_map[name]
        if isinstance(kind, graphql.GraphQLEnumType) and not name.startswith("__"):
            assert isinstance(theirs, graphql.GraphQLEnumType)
            assert set(kind.values) == set(theirs.values), name
        for field in getattr(kind, "fields", {}):
            assert str(kind.fields[field].type) == str(theirs.fields[field].type), f"{name}.{field}"  # type: ignore[attr-defined]
            ours_args = {key: str(value.type) for key, value in getattr(kind.fields[field], "args", {}).items()}  # type: ignore[attr-defined]
            theirs_args = {key: str(value.type) for key, value in getattr(theirs.fields[field], "args", {}).items()}  # type: ignore[attr-defined]
            # An optional argument may be left out, as fields are: graphql-core refuses it by name.
            assert ours_args.items() <= theirs_args.items(), f"{name}.{field}"
