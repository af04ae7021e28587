"""Three weeks around each change of the clock, minute by minute, by a clock of our own: who is told what, and when."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.shop.calendar.notices import (
    BUFFER,
    LISTS,
    Notice,
    View,
    is_near,
    is_night,
    list_day,
    list_is_due,
    notice_of,
)
from gazelle_sync.shop.calendar.wall_clock import instant_of

MINUTE = timedelta(minutes=1)
TECHNICIANS = ("usr_anne", "usr_ben")
VISITS = 6


@dataclass
class Play:
    """A shop in virtual time: visits that somebody edits, scans, and a scheduler that stands still at times.

    Attributes:
        now: The clock.
        visits: Visit → its technician and start; None: cancelled.
        found: Visit → what the last scan found, and since when that is so.
        known: What each technician knows.
        told: Every notice, and when.
        lists: Every daily list, and when.
    """

    now: datetime
    visits: dict[str, tuple[str, datetime] | None] = field(default_factory=dict)
    found: dict[str, tuple[tuple[str, datetime] | None, datetime]] = field(default_factory=dict)
    known: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    told: list[tuple[datetime, Notice]] = field(default_factory=list)
    lists: list[tuple[datetime, str, date]] = field(default_factory=list)
    made: dict[str, date] = field(default_factory=dict)

    def begin(self) -> None:
        """The first complete scan."""
        self.scan()
        self.known = {(visit, made[0]): made[1] for visit, made in self.visits.items() if made is not None}
        self.made = {kind: list_day(kind, self.now) for kind in LISTS}

    def scan(self) -> None:
        """A complete scan writes what has changed."""
        for visit, made in self.visits.items():
            if visit not in self.found or self.found[visit][0] != made:
                self.found[visit] = (made, self.now)

    def tell(self) -> None:
        """What a run does."""
        if is_night(self.now):
            return
        views = []
        for visit, (made, since) in self.found.items():
            for who in TECHNICIANS:
                start, told = made[1] if made and made[0] == who else None, self.known.get((visit, who))
                if start != told and since + BUFFER <= self.now:
                    views.append(View(visit, who, told, start))
        for view in views:
            others = any(self.known.get((view.visit, who)) for who in TECHNICIANS if who != view.technician)
            is_alive = self.found[view.visit][0] is not None
            notice = notice_of(view, view.told, self.now, is_alive=is_alive, others_had=others, author=None)
            if notice is not None:
                self.told.append((self.now, notice))
        for view in views:
            self.known[view.visit, view.technician] = view.found
        for kind in LISTS:
            if list_is_due(kind, self.made[kind], self.now, self.now):
                self.made[kind] = list_day(kind, self.now)
                self.lists.append((self.now, kind, self.made[kind]))

    def edit(self, draw: random.Random) -> None:
        """Somebody makes, moves, gives away or cancels a visit."""
        visit = draw.choice(list(self.visits))
        made, what = self.visits[visit], draw.random()
        if made is None or what < 0.5:
            self.visits[visit] = (draw.choice(TECHNICIANS), some_start(draw, self.now))
        elif what < 0.75:
            self.visits[visit] = None
        else:
            self.visits[visit] = (TECHNICIANS[made[0] == TECHNICIANS[0]], made[1])


def some_start(draw: random.Random, now: datetime) -> datetime:
    """A visit of the next twelve days."""
    day = montreal_day(now) + timedelta(days=draw.randint(0, 12))
    return datetime.combine(day, time(draw.randint(7, 19), draw.choice((0, 30))), MONTREAL).astimezone(UTC)


@dataclass
class Story:
    """Three weeks that were played, and when the scheduler stood still: for seven hours, and for three days."""

    play: Play
    first: dict[tuple[str, str], datetime]
    down: list[tuple[datetime, datetime]]

    def stood_still(self, at: datetime) -> bool:
        return any(first <= at < last for first, last in self.down)


@pytest.fixture(
    scope="module", params=[(c, s) for c in ("2027-03-14 12:00", "2027-11-07 12:00") for s in (1, 2)], ids=str
)
def story(request: pytest.FixtureRequest) -> Story:
    """Three weeks around a change of the clock, minute by minute: edits, scans, and a scheduler that stands still."""
    change, seed = request.param
    draw, middle = random.Random(seed), instant_of(change)  # noqa: S311 - no secret
    play = Play(middle - timedelta(days=10, hours=4))
    play.visits = {f"evt_{n}": (draw.choice(TECHNICIANS), some_start(draw, play.now)) for n in range(VISITS)}
    play.begin()
    first = {pair: start for pair, start in play.known.items() if start}
    stops = middle + timedelta(days=-4, hours=3), middle + timedelta(days=4)
    story = Story(play, first, [(stops[0], stops[0] + timedelta(hours=7)), (stops[1], stops[1] + timedelta(days=3))])
    for _ in range(21 * 24 * 60):
        play.now += MINUTE
        if draw.random() < 0.004:
            play.edit(draw)
        if not story.stood_still(play.now):
            if play.now.minute % 15 == 0:
                play.scan()
            play.tell()
    return story


def test_nobody_is_told_at_night(story: Story) -> None:
    assert len(story.play.told) > 20
    for at, _ in story.play.told:
        assert time(7, 5) <= at.astimezone(MONTREAL).time() < time(21)


def test_each_notice_is_a_step_from_what_the_technician_knew(story: Story) -> None:
    known: dict[tuple[str, str], datetime | None] = dict(story.first)
    for at, notice in story.play.told:
        before, after = (one and datetime.fromisoformat(one) for one in map(notice.details.get, ("before", "after")))
        told = known.get((notice.visit, notice.technician))
        assert before != after
        # What is far away changes without a word.
        assert told == before or not is_near(told, at) or not is_near(before, at)
        known[notice.visit, notice.technician] = after


def test_in_the_end_everybody_knows_what_is_so(story: Story) -> None:
    then = story.play
    play = replace(then, found=dict(then.found), known=dict(then.known), told=[], lists=[], made=dict(then.made))
    play.now = instant_of(f"{montreal_day(play.now) + timedelta(days=1)} 12:00")
    play.scan()
    play.now += timedelta(minutes=6)
    play.tell()
    for visit, made in play.visits.items():
        for who in TECHNICIANS:
            assert play.known.get((visit, who)) == (made[1] if made and made[0] == who else None)


def test_each_list_of_each_day_is_made_once_at_its_hour_or_late(story: Story) -> None:
    counts = Counter((kind, day) for _, kind, day in story.play.lists)
    assert set(counts.values()) == {1}
    for at, kind, day in story.play.lists:
        wall, hour = at.astimezone(MONTREAL), datetime.combine(day, LISTS[kind], MONTREAL)
        assert (wall.date(), wall.time()) == (day, LISTS[kind]) or story.stood_still(hour)
    first_down = montreal_day(story.down[0][0])
    assert {kind for kind, day in counts if day == first_down} == set(LISTS), "late rather than never"
    assert len(story.play.lists) >= 3 * (21 - 4)


def test_the_night_is_by_montreals_clock_on_both_sides_of_a_change() -> None:
    for day in ("2027-03-13", "2027-03-14", "2027-03-15", "2027-11-06", "2027-11-07", "2027-11-08"):
        found = [is_night(instant_of(f"{day} {at}")) for at in ("07:04", "07:05", "20:59", "21:00", "23:59", "00:00")]
        assert found == [True, False, False, True, True, True], day
