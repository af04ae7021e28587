"""The search under Dagster: its words are read beside what else follows a pull, its own run says what came of it."""

from __future__ import annotations

import dagster as dg
import pytest

from gazelle_sync.defs.shop.search import JOB, OP, words_read_beside
from gazelle_sync.shop.search.index import refresh
from gazelle_sync_tests.support.shop import Shop


def written(definitions: dg.Definitions, instance: dg.DagsterInstance) -> object:
    run = definitions.resolve_job_def(JOB).execute_in_process(instance=instance)
    [made] = run.asset_materializations_for_node(OP)
    return made.metadata["written"].value


def test_words_that_were_read_beside_other_runs_are_told_by_the_run_of_the_search(
    definitions: dg.Definitions, findable_instance: dg.DagsterInstance, named_shop: Shop
) -> None:
    refresh(named_shop.settings)
    named_shop.query("UPDATE gazelle_invoices SET notes = 'Accord du lundi' WHERE number = 1002 OR notes IS NOT NULL")
    [(changed,)] = named_shop.query("SELECT count(*) FROM search_unread")
    with words_read_beside(named_shop.settings):
        assert written(definitions, findable_instance) == changed > 0
    assert written(definitions, findable_instance) == 0


def test_an_error_beside_the_runs_fails_the_run_of_the_search_alone(
    definitions: dg.Definitions, findable_instance: dg.DagsterInstance, named_shop: Shop
) -> None:
    nowhere = named_shop.settings.replace(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    with words_read_beside(nowhere), pytest.raises(dg.Failure, match=r"127\.0\.0\.1"):
        written(definitions, findable_instance)
    assert written(definitions, findable_instance) is not None
