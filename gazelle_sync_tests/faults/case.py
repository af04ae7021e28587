"""One case of a pull campaign: from a seed, a shop, random edits, faults, a recovery, and the oracle."""

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
from gazelle_sync_tests.faults.account_editor import AccountEditor
from gazelle_sync_tests.faults.alerts import job_of
from gazelle_sync_tests.faults.context import FAILED, SUCCESS, PullContext, Run
from gazelle_sync_tests.faults.figures import Figures
from gazelle_sync_tests.faults.kinds import Expect, Kind, Kinds
from gazelle_sync_tests.faults.oracle import Before, Held, differences, emptied, instants_off, unhealthy
from gazelle_sync_tests.faults.servers import Servers
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
        """Whether nothing is wrong."""
        return not self.figures and not self.crash


class Case(Protocol):
    """A case of some campaign: what it finds, it writes into its result."""

    def live(self) -> None:
        """Live through it."""
        ...


CaseMaker = Callable[[int, Kind, Kinds, Servers, Shop, Result], Case]


def run_case(
    seed: int, kind: Kind, kinds: Kinds, servers: Servers, case: CaseMaker | None = None, *, round_trip_s: float = 0.0
) -> Result:
    """Live through one case; of a pull, if nothing else is said.

    Args:
        seed: What it is drawn from.
        kind: Its fault.
        kinds: What a second fault is drawn from.
        servers: The servers.
        case: What kind of case.
        round_trip_s: How far away the database is.
    """
    begun, result = time.monotonic(), Result(seed, kind.name)
    if round_trip_s:
        result.story.append(f"the database is {round_trip_s * 1000:.0f} ms away")
    try:
        with servers.shop(round_trip_s) as shop:
            (case or PullCase)(seed, kind, kinds, servers, shop, result).live()
    except Exception:
        result.crash = traceback.format_exc()
    result.seconds = time.monotonic() - begun
    return result


class PullCase:
    """See the module."""

    def __init__(self, seed: int, kind: Kind, kinds: Kinds, servers: Servers, shop: Shop, result: Result) -> None:
        self._draw = random.Random(f"{kind.name} {seed}")  # noqa: S311 - reproducible, not secret
        self._kind, self._kinds, self._servers, self._shop = kind, kinds, servers, shop
        self._figures, self._story = result.figures, result.story
        self._editor = AccountEditor(shop, self._draw)
        self._editor.added = {i: {"ici"} & set(tags) for i, tags in servers.local_tags.items()}
        self._needs_flag = False

    def live(self) -> None:
        draw = self._draw
        if draw.random() < 0.25:
            self._shop.admin.settings(dialect="seed")
            self._shop.query("DELETE FROM system_settings WHERE key = 'api_features'")
        self._editor.work_here()
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
        self._story += self._editor.work(deeds)

    # ---- meeting a fault

    def _meet(self, kind: Kind) -> None:
        self._story.append(f"[{kind.group}/{kind.name}]")
        context = PullContext(self._servers, self._shop, self._editor, self._draw)
        try:
            kind.strike(context)
        finally:
            self._story += context.story
            struck = context.heal()
        self._story.append(f"struck {struck}; " + ", ".join(run.status for run in context.runs))
        self._needs_flag = self._needs_flag or context.allow_deletes
        self._judge_after(kind, context)

    def _judge_after(self, kind: Kind, context: PullContext) -> None:
        held, truth = Held(self._shop), Truth(self._shop.sandbox)
        for figure, words in context.before.outlived(held, truth, self._editor, runs=len(context.runs)):
            self._figures.add(figure, f"after {kind.name}: {words}")
        for _, words in instants_off(held, None):
            self._figures.add(f.INSTANTS, f"after {kind.name}: {words}")
        for figure, words in emptied(context.before, held, truth):
            self._figures.add(figure, f"after {kind.name}: {words}")
        for words in held.restaged:
            self._figures.add(f.DOUBLED, f"after {kind.name}: staged twice in a row: {words}")
        self._judge_words(kind, context)
        if kind.expects is Expect.PLAUSIBLE or context.others_worked:
            self._editor.promised.kept(Mode.DEEP)  # no later tick can know what such an answer spoiled
        elif context.runs and context.runs[-1].status == SUCCESS:
            self._judge_promises(kind, context.runs[-1], held, truth)

    def _judge_promises(self, kind: Kind, run: Run, held: Held, truth: Truth) -> None:
        """A run that says nothing claims that it lost and delayed nothing."""
        promised = self._editor.promised.of(run.mode)
        broken = [d for d in differences(held, truth, self._editor) if promised is None or d.root in promised]
        if broken:
            words = f"{kind.name}: a {run.mode.value} run ended as a success, and {len(broken)} promised rows differ"
            self._figures.add(f.ALERTS, f"{words}: {broken[0].words}")
        self._editor.promised.kept(run.mode)

    def _judge_words(self, kind: Kind, context: PullContext) -> None:
        told = [run for run in context.runs if run.status != SUCCESS]
        for run in context.runs:
            if run.stack and not kind.is_a_bug:
                self._figures.add(
                    f.ALERTS, f"{kind.name}: a run ended with a stack instead of a reason: {run.stack[-3000:]}"
                )
            self._judge_alerts(kind, run)
        # A mass deletion that an earlier run met is said until a person lets it through.
        if kind.expects is Expect.HARMLESS and told and not self._needs_flag:
            self._figures.add(f.FALSE_ALARMS, f"{kind.name} is harmless, and a run said: {told[0].words[:300]}")
        if kind.expects is Expect.SAID and context.held:
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
        # A database that fails while alerts are evaluated is reported, though the run succeeded.
        is_true = kind.group == "database" and {rule for rule, _ in run.told.open} == {outage.RULE}
        if run.status == SUCCESS and run.told.new and not is_true:
            self._figures.add(f.FALSE_ALARMS, f"{kind.name}: all went well, and {sorted(run.told.open)} was told")

    # ---- recovery

    def _recover(self) -> None:
        """The API is healthy again: one full run makes production equal to it, and has nothing to complain of."""
        before = Before(self._shop)
        context = PullContext(self._servers, self._shop, self._editor, self._draw)
        run = context.pull(Mode.DEEP, page_size=1000, allow_deletes=self._needs_flag)
        if run.status != SUCCESS:
            self._figures.add(f.FALSE_ALARMS, f"the healthy full run ended as {run.status}: {run.words[:400]}")
        for words in run.told.after_recovery(job_of(run.mode)):
            self._figures.add(f.FALSE_ALARMS, f"after recovery people still believe: {words}")
        held, truth = Held(self._shop), Truth(self._shop.sandbox)
        for figure, words in before.outlived(held, truth, self._editor):
            self._figures.add(figure, f"after recovery: {words}")
        for difference in differences(held, truth, self._editor):
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
