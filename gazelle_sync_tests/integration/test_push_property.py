"""Random lives of a shop: edits on both sides, pulls, pushes, faults and kills. After quiet, both sides agree."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.push.block import Marks, read_block
from gazelle_sync_tests.support.lanes import one_here
from gazelle_sync_tests.support.pushing import EditedShop, HookPush, killed_at, once

STATUS = {"top": "TOP", "normal": "NORMAL", "problematic": "PROBLEMATIQUE", "needs_replacement": "A_REMPLACER"}
HERE, THERE = "vu ici", "vu là-bas"
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("close_after", {}), ("reset", {}), ("truncated", {}), ("html_200", {}), ("status", {"code": 503}),
    ("status", {"code": 429, "retry_after": 0}), ("graphql_errors", {}), ("empty_body", {}), ("invalid_utf8", {}),
    ("mutation_errors", {}),
]  # fmt: skip


class Life:
    """Some pianos, random edits on both sides, and what must be found at the end."""

    def __init__(self, office: EditedShop, hook_push: HookPush, seed: int) -> None:
        self.office = office
        self.admin = office.shop.admin
        self._hook_push = hook_push
        self._draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._count = 0
        self.pianos = [office.piano(n, tags=["GRAND"], notes="Clé") for n in range(3)]
        self.tags = {piano: {"GRAND"} for piano in self.pianos}
        self.texts = {piano: ["Clé"] for piano in self.pianos}
        self.here: dict[str, list[str]] = {piano: [] for piano in self.pianos}
        """Every text of observations that the local row ever held, in order; likewise for the block at Gazelle."""
        self.there: dict[str, list[str]] = {piano: [] for piano in self.pianos}
        self.said: set[str] = set()
        self.story: list[str] = []

    def live(self, steps: int) -> None:
        deeds: list[Callable[[str], object]] = [
            self._local, self._local, self._local, self._tag_there, self._tag_there, self._text_there,
            self._status_there, self._block_there, self._pull, self._push, self._push, self._push, self._fault,
            self._fault, self._killed, self._heals, self._edit_during_push,
        ]  # fmt: skip
        for _ in range(steps):
            deed, piano = self._draw.choice(deeds), self._draw.choice(self.pianos)
            self.story.append(f"{deed.__name__.strip('_')} {piano[-4:]}")
            deed(piano)
            self._look()

    def quiet(self) -> None:
        self._hook_push(before_send=lambda *_: None)
        self.admin.clear_faults()
        for _ in range(6):
            self.admin.settings(clock_skew_s=self.admin.settings()["clock_skew_s"] + 2)
            self.office.shop.sync(only=["users", "clients", "pianos"])
            self.office.let_doubts_pass()
            report = self.office.push()
            self._look()
            if report.succeeded and not any(outcome.sent or outcome.followed for outcome in report.outcomes):
                return

    def _look(self) -> None:
        for piano in self.pianos:
            rows = self.office.shop.rows("vincent_dindy_piano_updates", "gazelle_id = %s", piano)
            for text, seen in (
                (rows[0]["observations"] if rows else None, self.here),
                (self._block(piano), self.there),
            ):
                if text and (not seen[piano] or seen[piano][-1] != text):
                    seen[piano].append(text)

    def _block(self, piano: str) -> str | None:
        found = read_block(self.office.record(piano)["notes"], Marks.of("observations", piano))
        return found.says if found else None

    def _new(self, word: str) -> str:
        self._count += 1
        return f"{word} {self._count}"

    # ---- here

    def _local(self, piano: str) -> None:
        values: dict[str, Any] = {}
        if self._draw.random() < 0.5:
            values["status"] = self._draw.choice(sorted(STATUS))
        if self._draw.random() < 0.5:
            values["observations"] = self._new(HERE)
        if self._draw.random() < 0.5:
            values["notes"] = self._new("note")
        if self._draw.random() < 0.3:
            days = timedelta(days=self._draw.randint(0, 40))
            values |= {"travail": self._new("travail"), "completed_at": datetime.now(UTC) - days}
        if values:
            self.office.edit(piano, **values)
            self.said |= {values[name] for name in ("notes", "travail") if name in values}

    def _edit_during_push(self, piano: str) -> None:
        self._hook_push(before_send=once(lambda: self._local(piano)))
        self._push(piano)
        self._hook_push(before_send=lambda *_: None)

    # ---- there

    def _edit_there(self, piano: str, **values: Any) -> None:
        self.admin.edit("pianos", piano, **values)

    def _tag_there(self, piano: str) -> None:
        tags = list(self.office.record(piano)["tags"])
        foreign = [tag for tag in tags if tag not in STATUS.values()]
        if len(foreign) > 1 and self._draw.random() < 0.3:
            gone = self._draw.choice(foreign)
            self.tags[piano].discard(gone)
            tags.remove(gone)
        else:
            tags.insert(0, self._new("étiquette"))
            self.tags[piano].add(tags[0])
        self._edit_there(piano, tags=tags)

    def _text_there(self, piano: str) -> None:
        text = self._new("texte")
        notes = self.office.record(piano)["notes"] or ""
        self._edit_there(piano, notes=f"{text}\n{notes}" if self._draw.random() < 0.5 else f"{notes}\n{text}")
        self.texts[piano].append(text)

    def _status_there(self, piano: str) -> None:
        tags = [tag for tag in self.office.record(piano)["tags"] if tag not in STATUS.values()]
        self._edit_there(piano, tags=[*tags, self._draw.choice(sorted(STATUS.values()))])

    def _block_there(self, piano: str) -> None:
        if (says := self._block(piano)) is not None:
            notes = self.office.record(piano)["notes"]
            self._edit_there(piano, notes=notes.replace(f"\n{says}\n", f"\n{self._new(THERE)}\n"))

    # ---- between

    def _pull(self, _: str) -> None:
        with suppress(GazelleSyncError):
            self.office.shop.sync(check=False, only=["users", "clients", "pianos"])

    def _push(self, _: str) -> None:
        self.office.push(at_once=self._draw.random() < 0.8)

    def _killed(self, _: str) -> None:
        killed_at(self.office, self._draw.randint(1, 40))

    def _fault(self, _: str) -> None:
        kind, options = self._draw.choice(FAULTS)
        self.story[-1] += f" ({kind} {options})"
        self.admin.fault(
            kind, times=self._draw.randint(1, 4), probability=0.4, seed=self._draw.randrange(99), **options
        )

    def _heals(self, _: str) -> None:
        self.admin.clear_faults()


@pytest.mark.parametrize("seed", one_here(range(3), "more lives, as in a campaign"))
def test_after_any_life_both_sides_agree_and_nothing_is_lost_or_doubled(
    office: EditedShop, hook_push: HookPush, seed: int
) -> None:
    life = Life(office, hook_push, seed * 2 + (office.transport == "rest"))
    life.live(30)
    life.quiet()
    print("\n".join(life.story))  # noqa: T201 - shown where the test fails
    lost = {value for conflict in office.conflicts() for value in (conflict["ours"], conflict["theirs"])}
    for piano in life.pianos:
        record = office.record(piano)
        assert life.tags[piano] <= set(record["tags"]), "a foreign tag is lost"
        for text in life.texts[piano]:
            assert record["notes"].split("\n").count(text) == 1, "foreign text is lost"
        comments = office.comments(piano)
        assert len(comments) == len(set(comments)), "a note is doubled"
        rows = office.shop.rows("vincent_dindy_piano_updates", "gazelle_id = %s", piano)
        if not rows:
            continue
        (row,) = rows
        office.assert_clean(piano)
        for column in ("notes", "travail"):
            assert row[column] is None or row[column] in comments, "a note is lost"
        assert set(comments) <= life.said
        if row["status"] is not None:
            assert [tag for tag in record["tags"] if tag in STATUS.values()] == [STATUS[row["status"]]]
        block = read_block(record["notes"], Marks.of("observations", piano))
        assert (block.says if block else None) == row["observations"]
        # What one side wrote over with the other's value, without the other ever having seen it, is in sync_conflicts.
        for mine, others, other in ((life.here, life.there, THERE), (life.there, life.here, HERE)):
            for text, after in itertools.pairwise(mine[piano]):
                if not text.startswith(other) and after.startswith(other) and text not in others[piano]:
                    assert text in lost
    assert not [row for row in office.log() if row[1] == "in_doubt"]
