"""An alert's state follows from the notes of its piano in their order, and from what people decided."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.shop.maintenance.history import Held, Remark, Status, episodes_of

FIRST = datetime(2026, 3, 1, 17, tzinfo=UTC)


def on_day(day: int, effect: str, *, sure: bool = True, reading: bool = False) -> Remark:
    return Remark(f"tme_{day}", effect, sure, reading, FIRST + timedelta(days=day))  # type: ignore[arg-type]


def held(source: str | None, status: Status = "open", decided: Status | None = None, at: int = 0) -> Held:
    decided_at = FIRST + timedelta(days=at, hours=1) if decided else None
    return Held(1, source, status, date(2026, 3, 1), decided, decided_at)


def states(remarks: list[Remark], *rows: Held) -> list[tuple[str | None, str, str | None]]:
    return [(one.source, one.status, one.resolved_by) for one in episodes_of(remarks, rows)]


def test_a_note_opens_another_repeats_a_third_resolves_and_a_fourth_opens_anew() -> None:
    notes = [on_day(1, "opens"), on_day(2, "opens"), on_day(3, "resolves"), on_day(4, "opens")]
    assert states(notes) == [("tme_1", "resolved", "tme_3"), ("tme_4", "open", None)]


@given(st.permutations([on_day(1, "opens"), on_day(2, "resolves"), on_day(3, "opens"), on_day(5, "opens", sure=False)]))
def test_it_makes_no_difference_in_which_order_notes_arrive(notes: list[Remark]) -> None:
    assert states(notes) == [("tme_1", "resolved", "tme_2"), ("tme_3", "open", None)]


def test_what_is_uncertain_is_a_suggestion_and_resolves_nothing() -> None:
    assert states([on_day(1, "opens", sure=False)]) == [("tme_1", "suggested", None)]
    assert states([on_day(1, "opens"), on_day(2, "resolves", sure=False)]) == [("tme_1", "open", None)]
    assert states([on_day(1, "opens", sure=False), on_day(2, "opens")]) == [("tme_2", "open", None)]


def test_an_ordinary_reading_ends_what_a_reading_opened_and_nothing_that_words_did() -> None:
    by_reading, normal = on_day(1, "opens", reading=True), on_day(3, "normal", reading=True)
    assert states([by_reading, normal]) == [("tme_1", "resolved", "tme_3")]
    assert states([by_reading, on_day(2, "opens"), normal]) == [("tme_1", "open", None)]
    assert states([on_day(1, "opens"), normal]) == [("tme_1", "open", None)]


def test_an_alert_whose_note_is_gone_is_withdrawn_but_not_what_a_person_put_away() -> None:
    assert states([], held("tme_1")) == [("tme_1", "withdrawn", None)]
    assert states([], held("tme_1", "archived", "archived")) == []


def test_what_a_person_decides_stands_from_that_moment_on() -> None:
    opened = [on_day(1, "opens"), on_day(2, "opens")]
    resolved = held("tme_1", "resolved", "resolved", at=3)
    assert states(opened, resolved) == [("tme_1", "resolved", None)]
    assert states([*opened, on_day(4, "opens")], resolved)[1] == ("tme_4", "open", None)
    archived = held("tme_1", "archived", "archived", at=3)
    assert states([*opened, on_day(4, "resolves")], archived) == [("tme_1", "archived", None)]
    again = held("tme_1", "open", "open", at=3)
    assert states([on_day(1, "opens"), on_day(2, "resolves")], again) == [("tme_1", "open", None)]
    assert states([on_day(1, "opens", sure=False)], held("tme_1", "open", "open", at=2)) == [("tme_1", "open", None)]


def test_an_alert_that_a_person_wrote_is_resolved_by_a_later_note_and_never_withdrawn() -> None:
    assert states([], held(None)) == [(None, "open", None)]
    assert states([on_day(1, "resolves")], held(None)) == [(None, "resolved", "tme_1")]
    assert states([on_day(1, "opens")], held(None)) == [(None, "open", None)], "the note repeats it"
    assert states([on_day(1, "resolves")], held(None, "archived", "archived")) == [], "a person has ended it"
