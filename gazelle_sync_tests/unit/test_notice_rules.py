"""Three weeks around each change of the clock, minute by minute, by a clock of our own: who is told what, and when."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.shop.calendar.notices import (
    LISTS,
    Notice,
    View,
    is_due,
    is_near,
    is_night,
    list_day,
    list_is_due,
    look,
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
        views: What each technician knows.
        told: Every notice, and when.
        lists: Every daily list, and when.
    """

    now: datetime
    visits: dict[str, tuple[str, datetime] | None] = field(default_factory=dict)
    views: dict[tuple[str, str], View] = field(default_factory=dict)
    told: list[tuple[datetime, Notice]] = field(default_factory=list)
    lists: list[tuple[datetime, str, date]] = field(default_factory=list)
    made: dict[str, date] = field(default_factory=dict)

    def begin(self) -> None:
        """The first complete scan."""
        for visit, made in self.visits.items():
            if made is not None:
                who, start = made
                self.views[visit, who] = View(visit, who, start, start)
        self.made = {kind: list_day(kind, self.now) for kind in LISTS}

    def scan(self) -> None:
        """A complete scan."""
        for visit, made in self.visits.items():
            for who in TECHNICIANS:
                start = made[1] if made is not None and made[0] == who else None
                view = self.views.get((visit, who), View(visit, who))
                self.views[visit, who] = look(view, start, self.now)

    def tell(self) -> None:
        """What a run does."""
        due = [view for view in self.views.values() if is_due(view, self.now)]
        for view in due:
            others = any(
                one.visit == view.visit and one.technician != view.technician and one.told is not None
                for one in self.views.values()
            )
            is_alive = self.visits[view.visit] is not None
            notice = notice_of(view, view.told, self.now, is_alive=is_alive, others_had=others, author=None)
            if notice is not None:
                self.told.append((self.now, notice))
        for view in due:
            self.views[view.visit, view.technician] = replace(view, told=view.found, since=None)
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
    first = {pair: view.told for pair, view in play.views.items() if view.told}
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
    play = replace(story.play, views=dict(story.play.views), told=[], lists=[], made=dict(story.play.made))
    play.now = instant_of(f"{montreal_day(play.now) + timedelta(days=1)} 12:00")
    play.scan()
    play.now += timedelta(minutes=6)
    play.tell()
    for visit, made in play.visits.items():
        for who in TECHNICIANS:
            view = play.views.get((visit, who), View(visit, who))
            assert view.told == (made[1] if made and made[0] == who else None)


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
