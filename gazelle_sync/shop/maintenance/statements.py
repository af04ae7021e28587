"""Which state one clause gives to which thing ("the tank is empty"). Pure.

A state belongs to the nearest thing that it may be said of. Something else that stands nearer (a lamp, a string) takes
it away. A state whose clause names nothing takes up what the clauses before it spoke of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gazelle_sync.shop.maintenance.clauses import Clause, Item
from gazelle_sync.shop.maintenance.context import ALSO, CLIMATE, ClauseContext, Topic
from gazelle_sync.shop.maintenance.lexicon import Effect, State, Thing

POWER = "alimentation"
CERTAIN, TAKEN_UP, ALONE, UNSURE = 0.95, 0.9, 0.85, 0.5
CORRECTION = 0.04
"""What each mistyped word takes from the confidence."""
SURE_FROM = 0.75
ANYTHING = Thing(CLIMATE, "*")
"""What is settled without a name: "problem solved"."""
FAR = 6
"""More unknown words than this between a thing and its state, and they may not belong together."""


@dataclass(frozen=True)
class Statement:
    """One thing's state, as one clause has it."""

    thing: Thing
    effect: Effect
    confidence: float
    start: int
    end: int
    clause: Clause
    of_the_other: bool = False
    """Whether the clause speaks of another one than the clause before: "one is empty, the other is full"."""

    @property
    def is_sure(self) -> bool:
        """Whether it is more than a suggestion."""
        return self.confidence >= SURE_FROM


class ClauseReader(ClauseContext):
    """Reads one clause, and keeps what the next one may refer to."""

    def __init__(self, clause: Clause, topic: Topic) -> None:
        super().__init__(clause, topic)
        self.named: list[tuple[tuple[Thing, ...], bool]] = []
        """What states of this clause were said of: things, and whether it was something else."""

    def read(self) -> list[Statement]:
        """Everything that the clause says."""
        found: list[Statement] = []
        self._carry_condition()
        for place, item in enumerate(self.items):
            if item.is_any("problems"):
                found += self._problem(place)
            elif item.is_any("settled") and (settled := self._settled(place)):
                found += settled
            elif item.entry.states:
                found += self._state(place)
            elif item.is_any("lacks", "needs") and not self._state_follows(place):
                found += self._lack(place)
        self._leave(found)
        if self.clause.is_question:
            found = [replace(one, confidence=UNSURE) for one in found]
        return found

    # What is stated

    def _state(self, place: int) -> list[Statement]:
        item = self.items[place]
        targets = self._targets(place)
        said: list[Statement] = []
        for thing, confidence, start, end in targets:
            state = item.entry.states.get(thing) or item.entry.alone.get(thing)
            if state is None or self._is_full_of_something(place) or self._is_outside(thing):
                continue
            if self._goes_on(place, thing, state):
                continue
            if (one := self._effect_of(place, thing, state)) is None:
                continue
            effect, certainty = one
            said.append(self._statement(thing, effect, min(confidence, certainty), start, end))
        return said

    def _effect_of(self, place: int, thing: Thing, state: State) -> tuple[Effect, float] | None:
        """The effect of a state with what stands around it, and how certain it is; None: it says nothing."""
        before = self._before(place)
        roles = {role for one in before for role in one.entry.roles}
        if "blocks" in roles or self._is_conditional(place):
            return None
        negated, for_good = self._negation(place, before, thing, state)
        sure = CERTAIN if state.is_sure and "hedges" not in roles and not self._is_past() else UNSURE
        if "failed" in roles:
            return "opens", CERTAIN
        if state.is_request:
            if self.topic.is_condition:
                return None
            return self._requested(negated=negated, roles=roles, sure=sure)
        if negated and state.effect == "opens":
            return "resolves", sure if for_good else UNSURE
        if negated:
            return "opens", UNSURE if "hedges" in roles else CERTAIN
        if state.effect == "opens":
            return None if "future" in roles else ("opens", sure)
        roles = roles - {"wishes"} if "done" in roles else roles
        return ("opens", min(TAKEN_UP, sure)) if roles & {"wishes", "future"} else ("resolves", sure)

    def _requested(self, *, negated: bool, roles: set[str], sure: float) -> tuple[Effect, float] | None:
        """What is asked for has yet to be done; an instruction for all days says nothing of today."""
        if negated or any(one.is_any("always") for one in self.items):
            return None
        return ("resolves", sure) if "done" in roles else ("opens", min(TAKEN_UP, sure))

    def _lack(self, place: int) -> list[Statement]:
        """No cover; a power bar is needed."""
        item = self.items[place]
        target = self._right(place, lambda _: True)
        if not isinstance(target, tuple):
            return []
        at, things = target
        before, after = self._before(place), self.items[at + 1 :]
        if any(one.is_any("blocks", "needs") for one in before) or any(one.is_any("not_needed") for one in after):
            return []
        for thing in things:
            if item.is_any("needs"):
                if any(one.is_any("negations", "lacks") for one in before):
                    return []
                if thing.needed or thing.may_lack:
                    certainty = CERTAIN if thing.needed else UNSURE
                    return [self._statement(thing, "opens", certainty, item.start, self.items[at].end)]
            elif thing.may_lack and (not thing.lacks_only or self.items[at].words in thing.lacks_only):
                unsure = any(one.is_any("hedges") for one in before) or not self._stands_beside(thing.lacks_beside)
                return [self._statement(thing, "opens", UNSURE if unsure else CERTAIN, item.start, self.items[at].end)]
        return []

    def _problem(self, place: int) -> list[Statement]:
        """A problem with the humidity; no problem with it; it is solved."""
        item = self.items[place]
        target = self._right(place, lambda _: True) or self._left(place, lambda _: True)
        things: tuple[Thing, ...] = ()
        start, end = item.start, item.end
        if isinstance(target, tuple):
            at, things = target
            start, end = min(start, self.items[at].start), max(end, self.items[at].end)
        climate = next((thing for thing in things if thing.kind == CLIMATE), None)
        if any(one.is_any("settled") for one in self.items) or climate is None:
            return []
        before = self._before(place)
        if any(one.is_any("blocks") for one in before):
            return []
        if any(one.is_any("negations", "lacks", "no_longer") for one in before):
            return [self._statement(climate, "resolves", CERTAIN, start, end)]
        unsure = any(one.is_any("hedges") for one in before)
        return [self._statement(climate, "opens", UNSURE if unsure else CERTAIN, start, end)]

    def _settled(self, place: int) -> list[Statement]:
        """What was wrong with the climate is put right."""
        item = self.items[place]
        problem = any(one.is_any("problems") for one in self.items)
        in_clause = [thing for one in self.items for thing in one.entry.things if thing.kind == CLIMATE]
        others = any(one.is_any("others") or (one.is_unknown and not problem) for one in self.items)
        others = others or self.topic.is_about_other
        taken_up = not in_clause and not others and any(thing.kind == CLIMATE for thing in self.topic.things)
        if not (in_clause or taken_up):
            return []
        before = self._before(place)
        if any(one.is_any("blocks") for one in before):
            return []
        negated = any(one.is_any("negations", "lacks", "failed") for one in before)
        thing = in_clause[0] if in_clause and (negated or not problem) else ANYTHING
        if negated:
            return [
                self._statement(thing if in_clause else self.topic.things[0], "opens", CERTAIN, item.start, item.end)
            ]
        return [self._statement(thing, "resolves", CERTAIN, self.clause.start, item.end)]

    # Of which thing

    def _targets(self, place: int) -> list[tuple[Thing, float, int, int]]:
        """The things that a state is said of, each with a confidence and where the words stand."""
        item = self.items[place]

        def fits(thing: Thing) -> bool:
            return thing in item.entry.states

        left = self._left(place, fits)
        right = None if self._has_pronoun(place) else self._right(place, fits)
        is_active = self._is_active(place)
        chosen = right if right is not None and (is_active or left is None) else left
        if chosen in ("other", "powered"):
            self.named.append(((), chosen == "powered"))
            return []
        if isinstance(chosen, tuple):
            at, things = chosen
            thing = next((one for one in things if fits(one)), None)
            if thing is None:
                return []
            state = item.entry.states[thing]
            if state.is_short and (not self._is_tight(at, place) or (state.is_behind and at > place)):
                return []
            start, end = min(item.start, self.items[at].start), max(item.end, self.items[at].end)
            confidence = self._less_corrections(self._with_distance(at, place), self.items[at], item)
            found = [(thing, confidence, start, end)]
            self.named.append((things, False))
            if at < place and not any(one.entry.states for one in self.items[at + 1 : place]):
                found += [
                    (waiting, confidence, waited.start, end)
                    for waited, waiting in self.topic.waiting
                    if fits(waiting) and waiting.kind != thing.kind and self.clause.joined_by in (",", *ALSO)
                ]
            return found
        says_all = len(item.words) > 1 and any(thing.kind == CLIMATE for thing in item.entry.alone)
        if chosen == "unknown" and not says_all:
            if not item.is_any("fillers"):  # French `on` is no English one
                self.named.append(((), True))
            return []
        return self._taken_up(place)

    def _taken_up(self, place: int) -> list[tuple[Thing, float, int, int]]:
        """A state without a thing in its clause: it takes up the thing before it, or stands for itself."""
        item = self.items[place]
        before = self.items[:place]
        if any(one.is_unknown or one.is_any("others") for one in before if one not in self._about_others(before)):
            if any(thing.kind == POWER for thing in item.entry.states):
                self.named.append(((), True))
            return []
        is_request = any(state.is_request for state in item.entry.states.values())
        is_noun = (
            bool(before) and before[-1].words[-1] in self.words.determiners - {"l", "a"} and not self._is_active(place)
        )
        if is_noun and not is_request and len(item.words) == 1:
            return []
        after = self.items[place + 1 :]
        if after and after[0].words in (("de",), ("d",), ("of",)) and not item.entry.alone:
            return []
        names_another = any(thing.is_topic for one in before for thing in one.entry.things)
        confidence = self._less_corrections(TAKEN_UP, item)
        found = [
            (thing, confidence, item.start, item.end)
            for thing in (() if self.topic.is_other or names_another else self.topic.things)
            if thing in item.entry.states and not item.entry.states[thing].is_short
        ][:1]
        if not found:
            confidence = self._less_corrections(ALONE, item)
            found = [
                (thing, confidence, item.start, item.end)
                for thing in item.entry.alone
                if thing.kind == CLIMATE or not self.topic.is_other
            ][:1]
        return found

    def _about_others(self, before: Sequence[Item]) -> list[Item]:
        about = [one for one in before if one.entry.states or any(thing.is_topic for thing in one.entry.things)]
        return [one for one in about if not one.is_any("powered")]

    def _with_distance(self, at: int, place: int) -> float:
        between = self.items[min(at, place) + 1 : max(at, place)]
        return CERTAIN if sum(one.is_unknown for one in between) <= FAR else UNSURE

    def _less_corrections(self, confidence: float, *said: Item) -> float:
        return confidence - CORRECTION * sum(one.corrections for one in said)

    def _statement(self, thing: Thing, effect: Effect, confidence: float, start: int, end: int) -> Statement:
        of_the_other = any(one.words[-1] in ("autre", "other") for one in self.items) or self._is_numbered(thing)
        return Statement(thing, effect, confidence, start, end, self.clause, of_the_other)

    def _is_numbered(self, thing: Thing) -> bool:
        """Whether the clause speaks of one of several: "tank 2"."""
        of = [at for at, one in enumerate(self.items) if thing in one.entry.things]
        after = self.items[of[0] + 1 : of[0] + 3] if of else []
        return bool(after) and after[0].is_number and not (len(after) > 1 and after[1].entry.things)

    # What the next clause takes up

    def _leave(self, found: Sequence[Statement]) -> None:
        topic = self.topic
        in_clause = [
            (one, things, one.is_any("powered"))
            for one in self.items
            if (things := self._things_of(one)) or one.is_any("powered")
        ]
        said_of = [one.thing for one in found]
        said_of = [one for one in said_of if one.is_topic]
        topic.waiting = ()
        topic.is_about_other = not found and any(one.is_any("others") for one in self.items)
        if said_of:
            topic.things, topic.is_other = tuple(reversed(said_of)), False
        elif self.named:
            topic.things, topic.is_other = self.named[-1]
        elif in_clause:
            _, things, is_other = in_clause[0]
            topic.things, topic.is_other = tuple(things), is_other and not things
            is_list = not any(one.is_unknown or one.is_any("blocks", "conditions", "others") for one in self.items)
            topic.waiting = tuple((one, thing) for one, ours, _ in in_clause for thing in ours) if is_list else ()

    def _things_of(self, item: Item) -> list[Thing]:
        """What another clause may take up of a word."""
        return [one for one in item.entry.things if one.is_topic and self._stands_beside(one.beside)]
