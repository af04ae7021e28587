"""One case of a pull campaign: a seed is a shop, its people, a fault or two, a recovery and a judgement."""

from __future__ import annotations

import random
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gazelle_sync.incidents import outage
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.alerts import job_of
from gazelle_sync_tests.faults.figures import Figures
from gazelle_sync_tests.faults.ground import Ground
from gazelle_sync_tests.faults.judge import Before, Held, differences, emptied, instants_off, unhealthy
from gazelle_sync_tests.faults.kinds import Expect, Kind, Kinds
from gazelle_sync_tests.faults.people import People
from gazelle_sync_tests.faults.scene import FAILED, SUCCESS, Run, Scene
from gazelle_sync_tests.faults.truth import Truth
from gazelle_sync_tests.support.shop import Shop

SECOND_GROUPS = {"network", "http", "graphql", "lists", "data"}
NESTED = "nested"


@dataclass
class Result:
    """What came of a case.

    Attributes:
        seed: What it was drawn from.
        kind: Its fault.
        figures: All zero, or it failed.
        story: What happened, in words.
        seconds: How long it took.
        crash: The stack where the campaign itself failed.
    """

    seed: int
    kind: str
    figures: Figures = field(default_factory=Figures)
    story: list[str] = field(default_factory=list)
    seconds: float = 0.0
    crash: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing is to be said against it."""
        return not self.figures and not self.crash


class Case(Protocol):
    """A case of some campaign: what it finds, it writes into its result."""

    def live(self) -> None:
        """Live through it."""
        ...


CaseMaker = Callable[[int, Kind, Kinds, Ground, Shop, Result], Case]


def run_case(
    seed: int, kind: Kind, kinds: Kinds, ground: Ground, case: CaseMaker | None = None, *, round_trip_s: float = 0.0
) -> Result:
    """Live through one case; of a pull, if nothing else is said.

    Args:
        seed: What it is drawn from.
        kind: Its fault.
        kinds: What a second fault is drawn from.
        ground: The servers.
        case: What kind of case.
        round_trip_s: How far away the database is.
    """
    begun, result = time.monotonic(), Result(seed, kind.name)
    if round_trip_s:
        result.story.append(f"the database is {round_trip_s * 1000:.0f} ms away")
    try:
        with ground.shop(round_trip_s) as shop:
            (case or PullCase)(seed, kind, kinds, ground, shop, result).live()
    except Exception:
        result.crash = traceback.format_exc()
    result.seconds = time.monotonic() - begun
    return result


class PullCase:
    """See the module."""

    def __init__(self, seed: int, kind: Kind, kinds: Kinds, ground: Ground, shop: Shop, result: Result) -> None:
        self._draw = random.Random(f"{kind.name} {seed}")  # noqa: S311 - a dice
        self._kind, self._kinds, self._ground, self._shop = kind, kinds, ground, shop
        self._figures, self._story = result.figures, result.story
        self._people = People(shop, self._draw)
        self._people.added = {i: {"ici"} & set(tags) for i, tags in ground.local_tags.items()}
        self._needs_flag = False

    def live(self) -> None:
        draw = self._draw
        if draw.random() < 0.25:
            self._shop.admin.settings(dialect="seed")
            self._shop.query("DELETE FROM system_settings WHERE key = 'api_features'")
        self._people.work_here()
        self._work(draw.randint(2, 5))
        self._meet(self._kind)
        if draw.random() < 0.3:
            self._work(draw.randint(0, 2))
            # Two full runs that read the same inside records are believed, so two such faults must not follow.
            second = draw.choice(
                [
                    k
                    for k in self._kinds.values()
                    if k.group in SECOND_GROUPS and not (NESTED in k.name and NESTED in self._kind.name)
                ]
            )
            self._meet(second)
        if draw.random() < 0.4:
            self._work(draw.randint(1, 2))
        self._recover()

    def _work(self, deeds: int) -> None:
        self._story += self._people.work(deeds)

    # ---- meeting a fault

    def _meet(self, kind: Kind) -> None:
        self._story.append(f"[{kind.group}/{kind.name}]")
        scene = Scene(self._ground, self._shop, self._people, self._draw)
        try:
            kind.strike(scene)
        finally:
            self._story += scene.story
            struck = scene.heal()
        self._story.append(f"struck {struck}; " + ", ".join(run.status for run in scene.runs))
        self._needs_flag = self._needs_flag or scene.allow_deletes
        self._judge_after(kind, scene)

    def _judge_after(self, kind: Kind, scene: Scene) -> None:
        held, truth = Held(self._shop), Truth(self._shop.sandbox)
        for figure, words in scene.before.outlived(held, truth, self._people, runs=len(scene.runs)):
            self._figures.add(figure, f"after {kind.name}: {words}")
        for _, words in instants_off(held, None):
            self._figures.add(f.INSTANTS, f"after {kind.name}: {words}")
        for figure, words in emptied(scene.before, held, truth):
            self._figures.add(figure, f"after {kind.name}: {words}")
        for words in held.restaged:
            self._figures.add(f.DOUBLED, f"after {kind.name}: staged twice in a row: {words}")
        self._judge_words(kind, scene)
        if kind.expects is Expect.PLAUSIBLE or scene.others_worked:
            self._people.promised.kept(Mode.DEEP)  # no later tick can know what such an answer spoiled
        elif scene.runs and scene.runs[-1].status == SUCCESS:
            self._judge_promises(kind, scene.runs[-1], held, truth)

    def _judge_promises(self, kind: Kind, run: Run, held: Held, truth: Truth) -> None:
        """A run that says nothing claims that it lost and delayed nothing."""
        promised = self._people.promised.of(run.mode)
        broken = [d for d in differences(held, truth, self._people) if promised is None or d.root in promised]
        if broken:
            words = f"{kind.name}: a {run.mode.value} run ended as a success, and {len(broken)} promised rows differ"
            self._figures.add(f.ALERTS, f"{words}: {broken[0].words}")
        self._people.promised.kept(run.mode)

    def _judge_words(self, kind: Kind, scene: Scene) -> None:
        told = [run for run in scene.runs if run.status != SUCCESS]
        for run in scene.runs:
            if run.stack and not kind.is_a_bug:
                self._figures.add(
                    f.ALERTS, f"{kind.name}: a run ended with a stack instead of a reason: {run.stack[-3000:]}"
                )
            self._judge_alerts(kind, run)
        # A mass deletion that an earlier run met is said until a person lets it through.
        if kind.expects is Expect.HARMLESS and told and not self._needs_flag:
            self._figures.add(f.FALSE_ALARMS, f"{kind.name} is harmless, and a run said: {told[0].words[:300]}")
        if kind.expects is Expect.SAID and scene.held:
            if not told:
                self._figures.add(f.ALERTS, f"{kind.name} held to the end, and every run ended as a success")
            elif not any(re.search(kind.words, run.words, re.IGNORECASE) for run in told):
                said = told[0].words[:300]
                self._figures.add(f.ALERTS, f"{kind.name}: no run says {kind.words!r}, but {said!r}")

    def _judge_alerts(self, kind: Kind, run: Run) -> None:
        """What people were told: that a run failed, and nothing of one that went well."""
        if run.status == FAILED and not run.told.knows_of(job_of(run.mode), run.entities):
            words = f"a {run.mode.value} run failed with {run.entities or 'everything'}"
            self._figures.add(f.ALERTS, f"{kind.name}: {words}, and only {sorted(run.told.open)} was told")
        # A database that is ill when the alerts are looked after is told of, though the run came through.
        is_true = kind.group == "database" and {rule for rule, _ in run.told.open} == {outage.RULE}
        if run.status == SUCCESS and run.told.new and not is_true:
            self._figures.add(f.FALSE_ALARMS, f"{kind.name}: all went well, and {sorted(run.told.open)} was told")

    # ---- recovery

    def _recover(self) -> None:
        """The API is healthy again: one full run makes production equal to it, and has nothing to complain of."""
        before = Before(self._shop)
        scene = Scene(self._ground, self._shop, self._people, self._draw)
        run = scene.pull(Mode.DEEP, page_size=1000, allow_deletes=self._needs_flag)
        if run.status != SUCCESS:
            self._figures.add(f.FALSE_ALARMS, f"the healthy full run ended as {run.status}: {run.words[:400]}")
        for words in run.told.after_recovery(job_of(run.mode)):
            self._figures.add(f.FALSE_ALARMS, f"after recovery people still believe: {words}")
        held, truth = Held(self._shop), Truth(self._shop.sandbox)
        for figure, words in before.outlived(held, truth, self._people):
            self._figures.add(figure, f"after recovery: {words}")
        for difference in differences(held, truth, self._people):
            self._figures.add(difference.figure, f"after recovery: {difference.words}")
        for words in held.restaged:
            self._figures.add(f.DOUBLED, f"staged twice in a row: {words}")
        for words in unhealthy(self._shop):
            self._figures.add(f.FALSE_ALARMS, f"after recovery: {words}")
        if self._draw.random() < 0.2:
            self._replay()

    def _replay(self) -> None:
        """Production can be made again from staging alone."""
        fingerprint = self._shop.fingerprint()
        self._shop.replay()
        again = self._shop.fingerprint()
        for name in (name for name in fingerprint if fingerprint[name] != again[name]):
            self._figures.add(f.OVERWRITTEN, f"a replay gives another {name}")
