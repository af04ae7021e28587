"""The sandbox is written to as Gazelle is: mutations, REST, and what survives a kill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gazelle_sync.sandbox import SANDBOX_ACCESS_TOKEN
from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox, start_sandbox

OLD = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "gazelle.sqlite", scale=0.05) as sandbox:
        sandbox.admin.snapshot()
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    shared_sandbox.admin.restore()
    return shared_sandbox


def data(sandbox: RunningSandbox, query: str, **variables: object) -> Json:
    answer = sandbox.ask(query, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def active_piano(sandbox: RunningSandbox) -> Record:
    return next(row for row in sandbox.admin.dump("pianos") if row["status"] == "ACTIVE" and row["updatedAt"])


UPDATE_PIANO = """mutation($id: String!, $input: PrivatePianoInput!) {
  updatePiano(id: $id, input: $input) { piano { id tags notes updatedAt } mutationErrors { fieldName messages type } }
}"""
CREATE_LOG = """mutation($client: String!, $piano: String, $input: PrivateClientLogInput!) {
  createClientLog(clientId: $client, pianoId: $piano, input: $input) {
    clientLog { id comment createdAt } mutationErrors { fieldName messages }
  }
}"""
CREATE_EVENT = """mutation($input: PrivateEventInput!) {
  createEvent(input: $input) { event { id start notes } mutationErrors { fieldName messages } }
}"""


def test_tags_are_replaced_and_the_stamp_moves_to_the_servers_second(sandbox: RunningSandbox) -> None:
    piano = active_piano(sandbox)
    sandbox.admin.edit("pianos", piano["id"], touch=OLD, tags=["GRAND", "TOP"])
    result = data(sandbox, UPDATE_PIANO, id=piano["id"], input={"tags": ["PROBLEMATIQUE"]})["updatePiano"]
    assert result["mutationErrors"] == []
    assert result["piano"]["tags"] == ["PROBLEMATIQUE"]
    assert result["piano"]["notes"] == piano["notes"]
    stamp = datetime.fromisoformat(result["piano"]["updatedAt"])
    assert abs(datetime.now(UTC) - stamp) < timedelta(seconds=5)
    assert stamp.microsecond == 0


def test_an_unknown_piano_is_a_mutation_error_with_http_200(sandbox: RunningSandbox) -> None:
    result = data(sandbox, UPDATE_PIANO, id="pno_unknown", input={"tags": []})["updatePiano"]
    assert result["piano"] is None
    assert result["mutationErrors"][0]["type"] == "NOT_FOUND"


def test_an_edited_contact_does_not_move_its_clients_stamp(sandbox: RunningSandbox) -> None:
    contact = sandbox.admin.dump("contacts")[0]
    before = sandbox.admin.record("clients", contact["clientId"])
    sandbox.admin.edit("contacts", contact["id"], phones=[{"id": "pho_1", "phoneNumber": "+15145550000"}])
    assert sandbox.admin.record("clients", contact["clientId"]) == before
    query = "query($id: String!) { contact(id: $id) { defaultPhone { phoneNumber } } }"
    assert data(sandbox, query, id=contact["id"])["contact"]["defaultPhone"]["phoneNumber"] == "+15145550000"


def test_a_comment_becomes_an_entry_of_the_timeline_and_a_second_try_a_twin(sandbox: RunningSandbox) -> None:
    piano = active_piano(sandbox)
    arguments = {
        "client": piano["clientId"],
        "piano": piano["id"],
        "input": {"comment": "Bonjour 🎹", "createdAt": OLD},
    }
    for _ in range(2):
        assert data(sandbox, CREATE_LOG, **arguments)["createClientLog"]["mutationErrors"] == []
    query = (
        'query($p: String) { allTimelineEntries(pianoId: $p, search: "bonjour") { nodes { type comment occurredAt } } }'
    )
    nodes = data(sandbox, query, p=piano["id"])["allTimelineEntries"]["nodes"]
    assert nodes == [{"type": "USER_COMMENT", "comment": "Bonjour 🎹", "occurredAt": OLD}] * 2
    log_id = sandbox.admin.dump("client_logs")[0]["id"]
    deleted = data(sandbox, "mutation($id: String!) { deleteClientLog(id: $id) { isDeleted } }", id=log_id)
    assert deleted["deleteClientLog"]["isDeleted"]
    assert len(data(sandbox, query, p=piano["id"])["allTimelineEntries"]["nodes"]) == 1


def test_an_inactive_piano_refuses_entries(sandbox: RunningSandbox) -> None:
    piano = active_piano(sandbox)
    sandbox.admin.edit("pianos", piano["id"], status="INACTIVE")
    result = data(sandbox, CREATE_LOG, client=piano["clientId"], piano=piano["id"], input={"comment": "Non"})[
        "createClientLog"
    ]
    assert result["clientLog"] is None
    assert "inactive" in result["mutationErrors"][0]["messages"][0]


def test_an_event_needs_a_schedulable_user(sandbox: RunningSandbox) -> None:
    users = sandbox.admin.dump("users")
    idle = next(user for user in users if not user["isSchedulable"])
    refused = data(sandbox, CREATE_EVENT, input={"userId": idle["id"], "start": OLD})["createEvent"]
    assert refused["event"] is None
    assert refused["mutationErrors"][0]["fieldName"] == "userId"
    made = data(sandbox, CREATE_EVENT, input={"userId": users[0]["id"], "start": "2030-01-01T08:00:00-05:00"})
    assert made["createEvent"]["event"]["start"] == "2030-01-01T13:00:00Z"


def test_updating_an_event_replaces_it(sandbox: RunningSandbox) -> None:
    user = sandbox.admin.dump("users")[0]["id"]
    event = data(sandbox, CREATE_EVENT, input={"userId": user, "start": OLD, "notes": "à garder"})["createEvent"][
        "event"
    ]
    query = """mutation($id: String!, $input: PrivateEventInput!) {
      updateEvent(id: $id, input: $input) { event { notes title } mutationErrors { messages } }
    }"""
    result = data(sandbox, query, id=event["id"], input={"userId": user, "start": OLD, "title": "Seul"})["updateEvent"]
    assert result == {"event": {"notes": None, "title": "Seul"}, "mutationErrors": []}


def test_a_completed_visit_moves_the_pianos_history_only_with_notes(sandbox: RunningSandbox) -> None:
    piano = active_piano(sandbox)
    sandbox.admin.edit("pianos", piano["id"], eventLastService=None, calculatedLastService=None, manualLastService=None)
    user = sandbox.admin.dump("users")[0]["id"]
    # Half past eleven in the evening of the first in Montreal is the second in UTC.
    visit = {"userId": user, "start": "2026-07-02T03:30:00Z", "clientId": piano["clientId"]}
    event = data(sandbox, CREATE_EVENT, input=visit | {"pianos": [{"pianoId": piano["id"]}]})["createEvent"]["event"]
    query = """mutation($id: String!, $input: PrivateCompleteEventInput!) {
      completeEvent(eventId: $id, input: $input) { event { status } mutationErrors { messages } }
    }"""
    done = data(sandbox, query, id=event["id"], input={"resultType": "COMPLETE"})["completeEvent"]
    assert done == {"event": {"status": "COMPLETE"}, "mutationErrors": []}
    assert (sandbox.admin.record("pianos", piano["id"]) or {})["calculatedLastService"] is None
    notes = [{"pianoId": piano["id"], "notes": "Accord complet"}]
    data(sandbox, query, id=event["id"], input={"resultType": "COMPLETE", "serviceHistoryNotes": notes})
    served = sandbox.admin.record("pianos", piano["id"]) or {}
    assert served["calculatedLastService"] == served["eventLastService"] == "2026-07-01"
    entries = [row for row in sandbox.admin.dump("timeline") if row.get("appointmentId") == event["id"]]
    assert [(row["type"], row["comment"]) for row in entries] == [("SERVICE_ENTRY_MANUAL", "Accord complet")]


def test_a_cancelled_event_leaves_the_list_and_still_answers_by_id(sandbox: RunningSandbox) -> None:
    event = next(row for row in sandbox.admin.dump("events") if row["status"] == "ACTIVE")
    query = "query($id: String!) { event(eventId: $id) { status } allEventsBatched(first: 1000) { nodes { id } } }"
    data(
        sandbox, "mutation($id: String!) { cancelEvent(eventId: $id) { mutationErrors { messages } } }", id=event["id"]
    )
    found = data(sandbox, query, id=event["id"])
    assert found["event"] == {"status": "CANCELED"}
    assert event["id"] not in {row["id"] for row in found["allEventsBatched"]["nodes"]}


def test_a_deleted_client_takes_everything_of_its_own_along(sandbox: RunningSandbox) -> None:
    client = sandbox.admin.dump("pianos")[0]["clientId"]
    data(sandbox, "mutation($id: String!) { deleteClient(id: $id) { isDeleted } }", id=client)
    for kind in ("contacts", "pianos", "events", "timeline", "invoices"):
        assert client not in {row.get("clientId") for row in sandbox.admin.dump(kind)}, kind
    assert sandbox.admin.record("clients", client) is None


def test_measurements_are_created_changed_and_deleted(sandbox: RunningSandbox) -> None:
    piano = active_piano(sandbox)
    made = data(
        sandbox,
        "mutation($i: PrivatePianoMeasurementInput!) { createPianoMeasurement(input: $i) { pianoMeasurement { id } } }",
        i={"pianoId": piano["id"], "humidity": 39, "takenOn": "2026-07-01"},
    )["createPianoMeasurement"]["pianoMeasurement"]["id"]
    read = "query($id: String!) { pianoMeasurement(id: $id) { humidity takenOn } }"
    assert data(sandbox, read, id=made)["pianoMeasurement"] == {"humidity": 39, "takenOn": "2026-07-01"}
    data(sandbox, "mutation($id: String!) { deletePianoMeasurement(id: $id) { isDeleted } }", id=made)
    assert data(sandbox, read, id=made)["pianoMeasurement"] is None
    assert (sandbox.admin.record("pianos", piano["id"]) or {})["updatedAt"] == piano["updatedAt"]


def test_the_rest_endpoints_write_the_same_piano(sandbox: RunningSandbox) -> None:
    piano = active_piano(sandbox)
    sandbox.admin.reset_tokens()
    path = f"/api/v1/pianos/{piano['id']}"
    sandbox.http.headers["Authorization"] = f"Bearer {SANDBOX_ACCESS_TOKEN}"
    http = sandbox.http
    try:
        assert http.patch(f"{path}/tags", json={"tags": ["TOP"]}).json()["tags"] == ["TOP"]
        assert http.patch(path, json={"observations": "Beau son", "last_serviced": "2026-01-01"}).status_code == 200
        comment = http.post(f"{path}/comments", json={"text": "Accordé", "created_by": "quelqu'un@exemple.example"})
        assert comment.status_code == 201
        assert http.patch(f"{path}/tags", json={"tags": "TOP"}).status_code == 422
        assert http.patch(path, json={"last_serviced": "hier"}).status_code == 422
        assert http.patch("/api/v1/pianos/pno_unknown", json={"observations": ""}).status_code == 404
    finally:
        del sandbox.http.headers["Authorization"]
    assert http.patch(path, json={"observations": ""}).status_code == 401
    stored = sandbox.admin.record("pianos", piano["id"]) or {}
    assert (stored["tags"], stored["notes"], stored["manualLastService"]) == (["TOP"], "Beau son", "2026-01-01")
    assert "Accordé" in {row.get("comment") for row in sandbox.admin.dump("timeline")}


def test_a_quarter_of_an_hour_in_the_shop_changes_62_records(sandbox: RunningSandbox) -> None:
    changed = sandbox.admin.random_edits(clients=5, pianos=2, events=25, timeline=30, seed=4)
    assert {kind: len(ids) for kind, ids in changed.items()} == {
        "clients": 5,
        "pianos": 2,
        "events": 25,
        "timeline": 30,
    }


def test_a_command_that_makes_no_sense_is_refused_in_the_language_of_whoever_gave_it(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"The sandbox refused: No kind of record is called cats\. There are: clients"):
        sandbox.admin.dump("cats")
    monkeypatch.setenv("GAZELLE_LANG", "fr")
    with pytest.raises(ValueError, match=r"Le bac à sable refuse.: Aucune fiche de clients n'a l'identifiant cli_x\."):
        sandbox.admin.edit("clients", "cli_x", tags=[])
    with pytest.raises(ValueError, match="Aucune panne ne s'appelle flood"):
        sandbox.admin.fault("flood")


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    database = tmp_path / "gazelle.sqlite"
    sandbox = start_sandbox(database, scale=0.02)
    piano = active_piano(sandbox)
    data(sandbox, UPDATE_PIANO, id=piano["id"], input={"tags": ["RESTE"]})
    gone = sandbox.admin.dump("clients")[0]["id"]
    sandbox.admin.delete("clients", gone)
    dumps = {kind: sandbox.admin.dump(kind) for kind in ("clients", "pianos", "timeline", "events")}
    assert sandbox.kill() != 0
    with running_sandbox(database) as again:
        assert {kind: again.admin.dump(kind) for kind in dumps} == dumps
        assert gone not in {row["id"] for row in again.admin.dump("clients")}
        entries = data(again, "{ allTimelineEntries { totalCount } }")["allTimelineEntries"]["totalCount"]
        assert entries == len(dumps["timeline"])


UPDATE_PRODUCT = """mutation($id: String!, $input: PrivateMasterServiceItemInput!) {
  updateMasterServiceItem(id: $id, input: $input) {
    masterServiceItem { amount name isArchived } mutationErrors { fieldName messages }
  }
}"""


def test_a_service_takes_a_price_and_a_name_replaces_its_names_in_all_languages(sandbox: RunningSandbox) -> None:
    product = next(row for row in sandbox.admin.dump("products") if "en_US" in row["name"])
    changed = {"amount": 0, "name": {"fr_CA": "Accord"}}
    result = data(sandbox, UPDATE_PRODUCT, id=product["id"], input=changed)["updateMasterServiceItem"]
    assert result["masterServiceItem"] == changed | {"isArchived": product["isArchived"]}
    stored = sandbox.admin.record("products", product["id"]) or {}
    assert stored["description"] == product["description"]
    assert stored["updatedAt"] > product["updatedAt"]


@pytest.mark.parametrize(
    ("input_", "wrong"),
    [
        ({"amount": -1}, "amount"),
        ({"name": {"fr_CA": " "}}, "name"),
        ({"masterServiceGroupId": "msg_none"}, "masterServiceGroupId"),
    ],
)
def test_what_is_wrong_with_a_service_is_a_mutation_error(sandbox: RunningSandbox, input_: Record, wrong: str) -> None:
    product = sandbox.admin.dump("products")[0]
    result = data(sandbox, UPDATE_PRODUCT, id=product["id"], input=input_)["updateMasterServiceItem"]
    assert (result["masterServiceItem"], result["mutationErrors"][0]["fieldName"]) == (None, wrong)
    assert sandbox.admin.record("products", product["id"]) == product


def test_a_client_and_its_piano_are_created_and_a_second_try_makes_twins(sandbox: RunningSandbox) -> None:
    create = """mutation($input: PrivateClientInput!) {
      createClient(input: $input) { client { id tags status } mutationErrors { messages } }
    }"""
    made = [data(sandbox, create, input={"companyName": "École"})["createClient"]["client"] for _ in range(2)]
    assert made[0]["id"] != made[1]["id"]
    create = """mutation($input: PrivatePianoInput!) {
      createPiano(input: $input) { piano { id client { companyName } } mutationErrors { fieldName } }
    }"""
    piano = data(sandbox, create, input={"clientId": made[0]["id"], "make": "Yamaha"})["createPiano"]["piano"]
    assert piano["client"] == {"companyName": "École"}
    refused = data(sandbox, create, input={"clientId": "cli_none"})["createPiano"]
    assert refused == {"piano": None, "mutationErrors": [{"fieldName": "clientId"}]}
    # Somebody who names the id gets that one, once.
    create = """mutation { createClient(id: "cli_chosen", input: {companyName: "X"}) {
      client { id } mutationErrors { fieldName } } }"""
    assert data(sandbox, create)["createClient"]["client"] == {"id": "cli_chosen"}
    assert data(sandbox, create)["createClient"]["mutationErrors"] == [{"fieldName": "id"}]


def test_the_ids_of_a_kind_are_those_of_its_records(sandbox: RunningSandbox) -> None:
    client, gone, *_ = (record["id"] for record in sandbox.admin.dump("clients"))
    made = sandbox.admin.create("pianos", clientId=client)["id"]
    sandbox.admin.delete("clients", gone)
    for kind in ("clients", "pianos"):
        assert sandbox.admin.ids(kind) == [record["id"] for record in sandbox.admin.dump(kind)]
    assert made in sandbox.admin.ids("pianos")
    assert gone not in sandbox.admin.ids("clients")
