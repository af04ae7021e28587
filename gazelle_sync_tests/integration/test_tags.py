"""`tags` belongs to both sides; what people entered here is never overwritten by emptiness."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from gazelle_sync.errors import MassEmptying
from gazelle_sync.pull.apply import Applier, StagedSelection
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync_tests.support.shop import ENTITY, Shop

Record = dict[str, Any]


def tagged(shop: Shop, kind: str) -> Record:
    return next(r for r in shop.admin.dump(kind) if len(r["tags"]) >= 2)


def set_here(shop: Shop, table: str, external_id: str, tags: list[str]) -> None:
    shop.query(f"UPDATE {table} SET tags = %s WHERE external_id = %s", tags, external_id)  # noqa: S608


def tags_of(shop: Shop, table: str) -> dict[str, list[str]]:
    return {row["external_id"]: row["tags"] for row in shop.rows(table)}


@pytest.mark.parametrize(("kind", "table"), [("clients", "gazelle_clients"), ("pianos", "gazelle_pianos")])
def test_tags_are_merged_three_ways(shop: Shop, kind: str, table: str) -> None:
    record = tagged(shop, kind)
    first, second, *rest = record["tags"]
    set_here(shop, table, record["id"], ["ici", first, *rest])  # 'ici' added here, `second` removed here
    shop.admin.edit(kind, record["id"], tags=[second, *rest, "là-bas"])  # `first` removed there, 'là-bas' added there
    shop.sync()
    row = shop.row(table, record["id"])
    assert row["tags"] == ["ici", *rest, "là-bas"]
    assert row["gazelle_tags"] == [second, *rest, "là-bas"]
    shop.local_tags[record["id"]] = ["ici", *rest, "là-bas"]
    shop.assert_equals_api()


def test_tags_added_here_survive_a_deep_run_and_a_replay(shop: Shop) -> None:
    piano = tagged(shop, "pianos")
    set_here(shop, "gazelle_pianos", piano["id"], [*piano["tags"], "ici"])
    shop.local_tags[piano["id"]] = [*piano["tags"], "ici"]
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()
    shop.replay()
    shop.assert_equals_api()


def test_a_list_that_a_person_emptied_is_followed(shop: Shop) -> None:
    piano = tagged(shop, "pianos")
    set_here(shop, "gazelle_pianos", piano["id"], [*piano["tags"], "ici"])
    shop.admin.edit("pianos", piano["id"], tags=[])
    shop.sync()
    assert shop.row("gazelle_pianos", piano["id"])["tags"] == ["ici"]
    assert shop.row("gazelle_pianos", piano["id"])["gazelle_tags"] == []


@pytest.mark.parametrize("mode", [Mode.NIGHTLY, Mode.DEEP])
def test_mass_emptying_is_stopped_reported_and_healed(shop: Shop, mode: Mode) -> None:
    before = tags_of(shop, "gazelle_clients"), tags_of(shop, "gazelle_pianos")
    client = shop.admin.dump("clients")[0]
    shop.admin.fault("empty_tags", times=0)
    outcome = shop.sync(mode, check=False)
    assert {name: type(error) for name, error in outcome.errors.items()} == {
        "clients": MassEmptying, "pianos": MassEmptying,
    }  # fmt: skip
    assert "--allow-deletes" in str(outcome.errors["clients"])
    assert (tags_of(shop, "gazelle_clients"), tags_of(shop, "gazelle_pianos")) == before
    assert shop.value("SELECT count(*) FROM staging_clients WHERE rejected_at IS NOT NULL") > 5

    # Set aside is set aside: neither a replay nor a tick on the same bad day applies those bodies.
    shop.replay()
    assert (tags_of(shop, "gazelle_clients"), tags_of(shop, "gazelle_pianos")) == before
    shop.sync(check=False)
    assert (tags_of(shop, "gazelle_clients"), tags_of(shop, "gazelle_pianos")) == before

    shop.admin.clear_faults()
    shop.admin.edit("clients", client["id"], personalNotes="Après la panne")
    shop.sync()
    healed = {r["id"]: r["tags"] for kind in ("clients", "pianos") for r in shop.admin.dump(kind)}
    held = tags_of(shop, "gazelle_clients") | tags_of(shop, "gazelle_pianos")
    assert {external_id: held[external_id] for external_id in healed} == healed
    assert shop.row("gazelle_clients", client["id"])["personal_notes"] == "Après la panne"
    shop.sync(Mode.NIGHTLY)  # invoices have tags as well, which are Gazelle's alone: they heal as anything does
    shop.assert_equals_api()
    shop.quiet_down()
    rows = shop.physical()
    shop.sync()
    assert shop.physical() == rows


def test_bodies_that_are_not_concerned_are_applied_while_emptied_ones_are_set_aside(shop: Shop) -> None:
    untagged = next(r for r in shop.admin.dump("clients") if not r["tags"])
    shop.admin.edit("clients", untagged["id"], personalNotes="Rien à voir")
    shop.admin.fault("empty_tags", times=0)
    shop.sync(Mode.DEEP, check=False)
    assert shop.row("gazelle_clients", untagged["id"])["personal_notes"] == "Rien à voir"


def test_bodies_that_stay_set_aside_are_kept_once(shop: Shop) -> None:
    shop.admin.fault("empty_tags", times=0)
    shop.sync(Mode.DEEP, check=False)
    kept = shop.count("staging_clients", "rejected_at IS NOT NULL")
    assert kept > 5
    for mode in (Mode.TICK, Mode.DEEP, Mode.TICK):
        assert isinstance(shop.sync(mode, check=False).errors["clients"], MassEmptying)
        assert shop.count("staging_clients", "rejected_at IS NOT NULL") == kept


def test_the_watermark_stays_while_bodies_are_set_aside(shop: Shop) -> None:
    marks = shop.watermarks()
    shop.query("UPDATE system_settings SET value = '2026-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'")
    shop.admin.fault("empty_tags", times=0)
    shop.sync(Mode.DEEP, check=False)
    after = shop.watermarks()
    assert after["clients"].year == after["pianos"].year == 2026
    assert after["clients"].month == 1
    assert after["timeline"] >= marks["timeline"]


def test_mass_emptying_that_people_want_passes_with_the_flag(shop: Shop) -> None:
    for client in shop.admin.dump("clients"):
        shop.admin.edit("clients", client["id"], tags=[])
    with pytest.raises(MassEmptying):
        shop.sync()
    shop.sync(Mode.DEEP, allow_deletes=True)
    assert shop.value("SELECT count(*) FROM gazelle_clients WHERE cardinality(tags) > 0") == 0
    shop.assert_equals_api()


@pytest.mark.parametrize("value", ["absent", None])
def test_tags_that_are_missing_or_null_say_nothing(shop: Shop, value: str | None) -> None:
    before = tags_of(shop, "gazelle_clients")
    if value == "absent":
        shop.admin.fault("missing_field", times=0, field="tags")
    else:
        shop.admin.fault("unknown_enum", times=0, field="tags", value=None)
    shop.sync(Mode.DEEP)
    assert tags_of(shop, "gazelle_clients") == before


def test_a_field_that_a_body_lacks_leaves_its_column_alone(shop: Shop) -> None:
    noted = next(r for r in shop.admin.dump("clients") if r["personalNotes"])
    shop.admin.fault("missing_field", times=0, field="personalNotes")
    shop.admin.edit("clients", noted["id"], referredBy="Le voisin")
    shop.sync()
    row = shop.row("gazelle_clients", noted["id"])
    assert row["referred_by"] == "Le voisin"
    assert row["personal_notes"] == noted["personalNotes"]


def test_a_null_empties_its_column(shop: Shop) -> None:
    noted = next(r for r in shop.admin.dump("clients") if r["personalNotes"])
    shop.admin.edit("clients", noted["id"], personalNotes=None)
    shop.sync()
    assert shop.row("gazelle_clients", noted["id"])["personal_notes"] is None


def test_what_one_run_empties_is_counted_together_however_it_is_applied(shop: Shop) -> None:
    """Found by the fault campaign: clients that pianos brought along were applied, and counted, after the others."""
    pianos = [p["id"] for p in shop.admin.dump("pianos") if p["tags"]][:8]
    report = EntityReport()
    for part, ids in enumerate((pianos[:4], pianos[4:])):
        shop.query(
            "INSERT INTO staging_pianos (external_id, raw_data, fetched_at, sync_status, content_hash, run_id) "
            "SELECT DISTINCT ON (external_id) external_id, jsonb_set(raw_data, '{tags}', '[]'), now(), 'pending', "
            "'\\x00', 'a run' FROM staging_pianos WHERE external_id = ANY(%s) ORDER BY external_id, fetched_at DESC",
            ids,
        )
        with pytest.raises(MassEmptying) if part else nullcontext():
            Applier(shop.url, ENTITY["pianos"], report, Progress()).apply(StagedSelection.PENDING)
    emptied = [external_id for external_id in pianos if not shop.row("gazelle_pianos", external_id)["tags"]]
    assert emptied == pianos[:4]
