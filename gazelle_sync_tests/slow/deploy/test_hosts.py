"""PostgreSQL, code server, daemon and webserver on a host each: every link is cut for a minute, and each is killed.

The hosts are network namespaces. A process is started as deploy/compose.yaml says, and again as its supervisor does. A
tick is due each minute, Gazelle is edited all the time, and before each outage the shop edits a piano as well.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gazelle_sync_tests.support.hosts import HOSTS, ShopOnHosts, Tick, shop_on_hosts
from gazelle_sync_tests.support.installed import program, until
from gazelle_sync_tests.support.shop import PRODUCTION

pytestmark = pytest.mark.hosts

OUTAGE_S = 60
MINUTE = timedelta(minutes=1)
PATIENCE_S = 600
"""For a machine with much else to do. By itself the shop needs at most: as long as a link was cut until TCP asks again,
20 s of silence and 30 s until a sensor looks for runs whose process is gone, a minute of the scheduler, and a tick.
"""
LOCATION = """
query { repositoryOrError(repositorySelector: {
    repositoryLocationName: "gazelle_sync", repositoryName: "__repository__"
}) { __typename } }
"""
PULLS_SIDE_BY_SIDE = """
WITH pulls AS (
    SELECT id, tstzrange(started_at, started_at + duration_s * interval '1 s') AS during
    FROM sync_logs
    WHERE task_type = 'pull' AND status IN ('success', 'warning')
)
SELECT count(*) FROM pulls AS a JOIN pulls AS b ON a.id < b.id AND a.during && b.during
"""


@dataclass(frozen=True)
class Outage:
    """A host was away.

    Attributes:
        host: Which.
        how: cut or kill.
        begun: UTC.
        ended: UTC: the link was there again, or the process was started again.
        good: UTC: when the first tick had ended well after that.
    """

    host: str
    how: str
    begun: datetime
    ended: datetime
    good: datetime

    def excuses(self, due: datetime, ended: datetime) -> bool:
        """Whether a tick of this time may be missing or have failed. No tick needs the UI."""
        return self.host != "webserver" and due <= self.good and ended >= self.begun


@dataclass
class Trial:
    """A shop, and what has happened to it.

    Attributes:
        at: The shop.
        begun: UTC: when all processes were up.
        outages: So far.
        edits: Piano → the comment that the shop has sent of it.
    """

    at: ShopOnHosts
    begun: datetime
    outages: list[Outage] = field(default_factory=list)
    edits: dict[str, str] = field(default_factory=dict)

    def edit_a_piano(self, comment: str) -> None:
        """The shop writes a comment that goes to Gazelle, on a piano that has had none."""
        known = self.at.shop.admin.dump("pianos")
        piano = next(p["id"] for p in known if p["status"] == "ACTIVE" and p["clientId"] and p["id"] not in self.edits)
        self.at.shop.query(
            "INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, %s)", piano, comment
        )
        self.edits[piano] = comment

    def unsent(self) -> set[str]:
        """Comments that Gazelle does not have yet."""
        return set(self.edits.values()) - {entry.get("comment") for entry in self.at.shop.admin.dump("timeline")}

    def excuses(self, due: datetime, ended: datetime) -> bool:
        """Whether an outage is why a tick of this time is missing or has failed."""
        return any(outage.excuses(due, ended) for outage in self.outages)

    def ui_answers(self) -> bool:
        """Whether the UI does, and knows the code location."""
        address = f"http://{self.at.net['webserver'].address}:3000/graphql"
        with suppress(httpx.HTTPError):
            answer = httpx.post(address, json={"query": LOCATION}, timeout=30).json()
            return bool(answer["data"]["repositoryOrError"]["__typename"] == "Repository")
        return False

    def good_since(self, since: datetime) -> datetime | None:
        """When the first tick ended well that was under way at an instant, or began after it."""
        ends = [
            tick.ended for tick in self.at.ticks() if tick.status == "SUCCESS" and tick.ended and tick.ended > since
        ]
        return min(ends, default=None)

    def began_after(self, since: datetime) -> bool:
        """Whether a tick that began after an instant has ended well."""
        return any(tick.status == "SUCCESS" and tick.began and tick.began > since for tick in self.at.ticks())

    def wait_for_a_good_tick(self, since: datetime) -> datetime:
        """Wait until a tick has ended well; gives when."""
        said = f"a tick ends well\n{self.at.log('daemon')}"
        until(lambda: self.good_since(since) is not None, said, seconds=PATIENCE_S)
        good = self.good_since(since)
        assert good is not None
        return good


def is_under_way(ticks: list[Tick]) -> bool:
    """Whether one of them is."""
    return any(tick.status == "STARTED" for tick in ticks)


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    program("ip")
    with shop_on_hosts(GAZELLE_TICK_SCHEDULE="* * * * *") as shop:
        found = Trial(shop, datetime.now(UTC))
        found.wait_for_a_good_tick(found.begun)
        yield found


@pytest.mark.parametrize("how", ["cut", "kill"])
@pytest.mark.parametrize("host", HOSTS)
def test_ticks_go_on_after_a_host_was_away_for_a_minute(
    trial: Trial, host: str, how: str, request: pytest.FixtureRequest
) -> None:
    trial.edit_a_piano(f"Avant {host} {how}")
    until(lambda: is_under_way(trial.at.ticks()), "a tick is under way", seconds=PATIENCE_S, every_s=0.1)
    begun = datetime.now(UTC)
    trial.at.net[host].cut() if how == "cut" else trial.at.kill(host)
    time.sleep(OUTAGE_S)
    trial.at.net[host].mend() if how == "cut" else trial.at.start(host)
    ended = datetime.now(UTC)
    good = trial.wait_for_a_good_tick(ended)
    trial.outages.append(Outage(host, how, begun, ended, good))
    took = ("seconds until a tick had ended well", round((good - ended).total_seconds()))
    request.node.user_properties.append(took)
    until(trial.ui_answers, f"the UI answers\n{trial.at.log('webserver')}", seconds=PATIENCE_S)


def test_no_tick_is_lost_but_those_of_the_outages(trial: Trial) -> None:
    """A minute in which the tick before was still under way, as the schedule says then, has lost none."""
    ticks, asked = trial.at.ticks(), trial.at.asked()
    good = [tick.due for tick in ticks if tick.status == "SUCCESS"]
    minutes = (min(good) + number * MINUTE for number in range((max(good) - min(good)) // MINUTE + 1))
    assert [due for due in minutes if due not in asked and not trial.excuses(due, due)] == []
    # One that never began was given up by Dagster on a machine too busy to start it in time, and is tried again.
    failed = [tick for tick in ticks if tick.status in ("FAILURE", "CANCELED") and tick.began is not None]
    assert [tick for tick in failed if not trial.excuses(tick.due, tick.ended or tick.due)] == []


def test_no_run_goes_on_for_ever(trial: Trial) -> None:
    """Neither one whose process was killed, nor one that was cut off from whoever had asked for it."""
    then = trial.at.unended()
    until(lambda: not then & trial.at.unended(), f"{then} have ended", seconds=PATIENCE_S)


def test_nothing_is_done_twice(trial: Trial) -> None:
    ticks = trial.at.ticks()
    for those in ([t for t in ticks if not t.is_retry], [t for t in ticks if t.status == "SUCCESS"]):
        assert [due for due, times in Counter(tick.due for tick in those).items() if times > 1] == []
    assert trial.at.shop.value(PULLS_SIDE_BY_SIDE) == 0
    until(lambda: trial.unsent() == set(), f"all edits are sent\n{trial.at.log('daemon')}", seconds=PATIENCE_S)
    said = Counter((entry.get("pianoId"), entry.get("comment")) for entry in trial.at.shop.admin.dump("timeline"))
    assert {edit: said[edit] for edit in trial.edits.items()} == dict.fromkeys(trial.edits.items(), 1)
    for table in PRODUCTION:
        assert trial.at.shop.count(table) == trial.at.shop.value(f"SELECT count(DISTINCT external_id) FROM {table}")  # noqa: S608


def test_production_equals_the_account(trial: Trial) -> None:
    trial.at.be_quiet()
    settled = datetime.now(UTC) + timedelta(seconds=10)
    until(lambda: trial.began_after(settled), "a tick has begun after the last edit, and ended", seconds=PATIENCE_S)
    trial.at.shop.assert_equals_api()
    trial.at.shop.assert_nothing_dangles()
