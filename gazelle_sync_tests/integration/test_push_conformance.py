"""What both transports do alike: the same edits arrive as the same records."""

from __future__ import annotations

from datetime import UTC, datetime

from gazelle_sync_tests.support.pushing import EditedShop

LATE = datetime(2026, 7, 2, 3, 30, tzinfo=UTC)
"""Half past eleven in the evening of the first in Montreal."""


def test_everything_that_a_row_says_arrives_and_the_next_push_sends_nothing(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé sous le paillasson", manualLastService=None)
    measured = len(office.measurements(piano))
    office.edit(
        piano, status="problematic", notes="Mesuré : 23°, 47%, 440Hz", observations="Son clair 🎹 שלום",
        travail="Accord complet", completed_at=LATE, a_faire="ne part jamais", updated_by="helene@exemple.example",
    )  # fmt: skip
    report = office.push()
    assert report.succeeded, [outcome.trouble for outcome in report.outcomes]
    record = office.record(piano)
    assert record["tags"] == ["GRAND", "PROBLEMATIQUE"]
    assert record["notes"].startswith("Clé sous le paillasson\n\n[")
    assert "\nSon clair 🎹 שלום\n" in record["notes"]
    assert record["manualLastService"] == "2026-07-01"
    assert office.comments(piano) == ["Mesuré : 23°, 47%, 440Hz", "Accord complet"]
    made = office.measurements(piano)[measured:]
    assert [(m["takenOn"], m["temperature"], m["humidity"], m["a4Pitch"]) for m in made] == [
        ("2026-07-01", 23, 47, 440)
    ]
    office.assert_clean(piano)
    assert {status for _, status in office.log(piano)} == {"success"}
    assert "ne part jamais" not in str(office.shop.admin.dump("timeline")) + str(record)

    office.shop.admin.reset_stats()
    assert office.push().sent == 0
    assert office.shop.admin.stats()["requests"] == 0


def test_every_new_text_brings_its_readings_though_they_are_those_of_the_last_one(office: EditedShop) -> None:
    piano = office.piano()
    measured = len(office.measurements(piano))
    for text, made in [("accord janvier 440Hz", 1), ("accord juillet 440Hz", 2), ("accord juillet 440Hz ", 2)]:
        office.edit(piano, notes=text)
        assert office.push().succeeded
        assert [m["a4Pitch"] for m in office.measurements(piano)[measured:]] == [440] * made, text
    office.assert_clean(piano)
