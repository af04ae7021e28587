"""One case of a push campaign: from a seed, a shop, edits on both sides, faults, a recovery, and the oracle."""

from __future__ import annotations

import random
import re

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.case import Result
from gazelle_sync_tests.faults.kinds import Expect, Kind, Kinds
from gazelle_sync_tests.faults.push_context import AnyContext, PushContext
from gazelle_sync_tests.faults.push_editor import PushEditor
from gazelle_sync_tests.faults.push_oracle import after_quiet, at_any_time
from gazelle_sync_tests.faults.push_subject import Subject
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

SECOND_GROUPS = {"network", "http", "graphql"}
WAYS = (("graphql", "comment"), ("rest", "comment"), ("graphql", "comment"), ("rest", "comment"), ("graphql", "event"))
"""Transport, and what becomes of work that was done."""
PIANOS = Subject(PushEditor, at_any_time, after_quiet, WAYS)
QUIET_ROUNDS = 6


class PushCase:
    """See the module; what it is about is pianos and prices, if nothing else is said."""

    def __init__(
        self,
        seed: int,
        kind: Kind,
        kinds: Kinds,
        servers: Servers,
        shop: Shop,
        result: Result,
        *,
        subject: Subject = PIANOS,
    ) -> None:
        self._draw = random.Random(f"{kind.name} {seed}")  # noqa: S311 - reproducible, not secret
        self._kind, self._kinds, self._servers, self._shop = kind, kinds, servers, shop
        self._figures, self._story = result.figures, result.story
        self._subject = subject
        self._office = EditedShop(shop, *self._draw.choice(subject.ways))
        self._editor = subject.editor(self._office, self._draw)
        self._story.append(f"{self._office.transport}, {self._office.service}")

    def live(self) -> None:
        """Live through the case."""
        with self._subject.around(self._shop):
            self._live()

    def _live(self) -> None:
        draw = self._draw
        if draw.random() < 0.25:  # Gazelle's clock is another one, all the time
            self._shop.admin.settings(clock_skew_s=draw.randint(-100_000, 100_000))
        if draw.random() < 0.7:
            self._pull()
        self._editor.begin()
        if draw.random() < 0.6:
            self._push_in_peace()
            self._work(draw.randint(2, 6))
            self._editor.go_on()
        self._editor.settle()
        self._meet(self._kind)
        if draw.random() < 0.2:
            self._pull()
        if draw.random() < 0.3:
            self._work(draw.randint(1, 3))
            self._meet(draw.choice([kind for kind in self._kinds.values() if kind.group in SECOND_GROUPS]))
        if draw.random() < 0.4:
            self._work(draw.randint(1, 2))
        self._quiet()

    def _work(self, deeds: int) -> None:
        self._story += self._editor.work(deeds)

    def _context(self) -> AnyContext:
        return PushContext(self._servers, self._shop, self._office, self._editor, self._draw)

    def _pull(self) -> None:
        admin = self._shop.admin
        admin.settings(
            clock_skew_s=admin.settings()["clock_skew_s"] + 2
        )  # so that stamps, of whole seconds, are settled
        self._shop.sync(Mode.DEEP, only=self._editor.pulled)
        self._editor.look()

    def _push_in_peace(self) -> None:
        context = self._context()
        if not context.push().succeeded:
            self._figures.add(f.FALSE_ALARMS, f"a push in peace: {context.runs[0].words[:300]}{context.runs[0].stack}")
        self._editor.look()
        self._editor.agree()
        self._story.append("pushed in peace")

    def _meet(self, kind: Kind) -> None:
        self._story.append(f"[{kind.group}/{kind.name}]")
        context = self._context()
        self._office.let_doubts_pass()  # whatever was late is in since the last fault was healed
        was_in_trouble = self._editor.in_trouble or any(
            self._shop.count(table, "sync_error IS NOT NULL") for table in self._editor.tables
        )
        try:
            kind.strike(context)
        finally:
            self._story += context.story
            struck = context.heal()
        self._editor.look()
        self._story.append(f"struck {struck}")
        for figure, words in self._subject.at_any_time(self._office, self._editor):
            self._figures.add(figure, f"after {kind.name}: {words}")
        self._judge_words(kind, context, was_in_trouble=was_in_trouble)

    def _judge_words(self, kind: Kind, context: AnyContext, *, was_in_trouble: bool) -> None:
        told = [run for run in context.runs if not run.succeeded]
        for run in context.runs:
            if run.stack:
                self._figures.add(f.ALERTS, f"{kind.name}: ended with a stack, not a reason: {run.stack[-3000:]}")
        due = self._editor.due()
        if context.runs and context.runs[-1].succeeded and due and not context.was_edited:
            self._figures.add(f.ALERTS, f"{kind.name}: a push says that everything went, and {due} are still due")
        if kind.expects is Expect.HARMLESS and told and not was_in_trouble:
            self._figures.add(f.FALSE_ALARMS, f"{kind.name} is harmless, and a push said: {told[0].words[:300]}")
        if kind.expects is Expect.SAID and context.held:
            if not told:
                self._figures.add(f.ALERTS, f"{kind.name} held to the end, and every push succeeded")
            elif not any(re.search(kind.words, run.words, re.IGNORECASE) for run in told):
                self._figures.add(f.ALERTS, f"{kind.name}: nothing says {kind.words!r}, but {told[0].words[:300]!r}")

    def _quiet(self) -> None:
        """Everything is healthy again: pull and push until nothing is left to do."""
        self._pull()
        for _ in range(QUIET_ROUNDS):
            self._office.let_doubts_pass()
            report = self._office.push(grace_s=0.5)
            self._editor.look()
            self._subject.answer(self._editor)
            failed = [o for o in report.outcomes if o.failed and o.key not in self._editor.gone]
            if not failed and not report.stopped and not any(o.sent or o.followed for o in report.outcomes):
                break
            self._pull()
        else:
            self._figures.add(f.UNSETTLED, f"after {QUIET_ROUNDS} rounds there is still something to send")
        for figure, words in self._subject.after_quiet(self._office, self._editor):
            self._figures.add(figure, f"at the end: {words}")
