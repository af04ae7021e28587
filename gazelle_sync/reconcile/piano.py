"""Pianos and their measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gazelle_sync.reconcile.client import named_client
from gazelle_sync.reconcile.pages import Columns, flat, ids_of, keys, lists, read_page, tags_page
from gazelle_sync.reconcile.rows import (
    STAMPS,
    TAG_COLUMNS,
    Body,
    FieldMap,
    Rows,
    Values,
    boolean,
    columns,
    day,
    identity,
    integer,
    named,
    read,
    records,
    reference_in_record,
    tags,
    text,
    within,
)

INSTRUMENT: FieldMap = (
    ("make", "make", text),
    ("model", "model", text),
)

PIANO: FieldMap = (
    *STAMPS,
    ("client_external_id", "client", reference_in_record),
    *INSTRUMENT,
    ("serial_number", "serialNumber", text),
    ("type", "type", text),
    ("year", "year", integer),
    ("location", "location", text),
    ("status", "status", text),
    ("notes", "notes", text),
    ("size", "size", text),
    ("use_type", "useType", text),
    ("case_color", "caseColor", text),
    ("case_finish", "caseFinish", text),
    ("has_ivory", "hasIvory", boolean),
    ("service_interval_months", "serviceIntervalMonths", integer),
    ("calculated_last_service", "calculatedLastService", day),
    ("calculated_next_service", "calculatedNextService", day),
    ("manual_last_service", "manualLastService", day),
    ("event_last_service", "eventLastService", day),
    ("next_service_override", "nextServiceOverride", day),
    ("dampp_chaser_installed", "damppChaserInstalled", boolean),
    ("dampp_chaser_humidistat_model", "damppChaserHumidistatModel", text),
    ("dampp_chaser_mfg_date", "damppChaserMfgDate", day),
    ("player_installed", "playerInstalled", boolean),
    ("player_make", "playerMake", text),
    ("player_model", "playerModel", text),
    ("player_serial_number", "playerSerialNumber", text),
    ("needs_repair_or_rebuilding", "needsRepairOrRebuilding", boolean),
    ("total_loss", "totalLoss", boolean),
    ("consignment", "consignment", boolean),
    ("rental", "rental", boolean),
    ("rental_contract_ends_on", "rentalContractEndsOn", day),
    ("potential_performance_level", "potentialPerformanceLevel", integer),
    ("lifecycle_state", "lifecycleState", text),
    ("reference_id", "referenceId", text),
)

MEASUREMENT: FieldMap = (
    *STAMPS,
    ("taken_on", "takenOn", day),
    ("humidity", "humidity", integer),
    ("temperature", "temperature", integer),
    *((f"a{octave}_pitch", f"a{octave}Pitch", integer) for octave in range(8)),
    *((f"a{octave}_dip", f"a{octave}Dip", integer) for octave in range(8)),
    *(
        (f"{note}_sustain_{how}", f"{note}Sustain{how.capitalize()}", integer)
        for note in ("d6", "g6", "c7")
        for how in ("plucked", "played")
    ),
)

PIANO_COLUMNS = ("external_id", *columns(PIANO), *TAG_COLUMNS)
MEASUREMENT_COLUMNS = ("external_id", "piano_external_id", *columns(MEASUREMENT))


def reconcile_piano(body: Body) -> Rows:
    """One piano and its measurements."""
    external_id = identity(body)
    rows: Rows = {"gazelle_pianos": [read(body, PIANO, external_id=external_id) | tags(body)]}
    measurements = records(body, "allPianoMeasurements")
    if measurements is not None:
        rows["gazelle_piano_measurements"] = _measurements(external_id, measurements)
    return rows


def piano_page(bodies: Sequence[Body]) -> dict[str, Columns]:
    """The same for a page."""
    ids = ids_of(bodies)
    taken, owners = flat(lists(bodies, "allPianoMeasurements"), ids)
    return {
        "gazelle_pianos": keys(external_id=ids) | read_page(bodies, PIANO) | tags_page(bodies),
        "gazelle_piano_measurements": keys(external_id=ids_of(taken), piano_external_id=owners)
        | read_page(taken, MEASUREMENT),
    }


def parents_of_piano(body: Body) -> Iterator[tuple[str, Values]]:
    """The client who owns the piano."""
    return named_client(body)


def named_piano(body: Body) -> Iterator[tuple[str, Values]]:
    """What a body says of the piano that it names."""
    return named(body, "piano", "gazelle_pianos", INSTRUMENT)


def _measurements(piano_external_id: str, measurements: list[Body]) -> list[Values]:
    found: dict[str, Values] = {}
    for index, measurement in enumerate(measurements):
        with within("allPianoMeasurements", index):
            given = measurement.get("id")
            external_id = f"{piano_external_id}:{index}" if given is None else identity(measurement)
            found[external_id] = read(
                measurement, MEASUREMENT, external_id=external_id, piano_external_id=piano_external_id
            )
    return list(found.values())
