"""Declares each kind of Gazelle record: one `Entity` each, with the tables that it fills. Every stage reads these.

Adding an entity is one `.graphql` file, one reconciler, one migration and one declaration here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from gazelle_sync.i18n.translator import Message, Translator
from gazelle_sync.reconcile import appointment, client, invoice, piano, product, tax, timeline, user
from gazelle_sync.reconcile.pages import PageReader
from gazelle_sync.reconcile.rows import ParentHints, Reconciler

NAMELESS = "without-id-"
"""Prefix of the id that we give a record without one: it stays in staging, in error, where a person sees it."""
IMPORTED = "v4_"
"""Prefix of the id of a record that only an older system knows (`gazelle-sync import`). Gazelle gives no such id: what
is counted, compared with Gazelle, deleted or pushed leaves these rows out, as `NOT starts_with(external_id, 'v4_')`."""
LATE, LOST = timedelta(minutes=20), timedelta(minutes=60)
"""Age of the last successful read that is a warning, and a failure. A tick runs every 15 minutes."""


class Strategy(enum.Enum):
    """How changes of an entity are found (see docs/architecture.md, "Finding what changed")."""

    STAMPS = "stamps"
    """A connection whose nodes have `updatedAt`: compare stamps, hydrate what differs by id."""
    WHOLE_LIST = "whole list"
    """A plain list without by-id query (users, products, taxes): compare stamps and read the list again if they differ;
    where its records have no `updatedAt`, read it each time and compare the bodies."""
    WINDOWED = "windowed"
    """A connection without `updatedAt` (the timeline): recent bodies and a count check."""


@dataclass(frozen=True)
class Table:
    """A production table, and which side owns its columns.

    Attributes:
        name: Table name in schema `public`.
        columns: Every column that a reconciler may write, `external_id` first. Gazelle owns them, except `merged` ones.
        description: One sentence, shown in the UI.
        merged: Column that both sides may edit → the column with Gazelle's last value (base of the three-way merge).
        owner: For a nested table, the column that holds the external id of the body it came in; None for the entity's
            own table.
        references: Foreign key column → the table it points to.
        dies_with: Of a nested table, the references whose record must exist for the row to exist (a visit's piano).
    """

    name: str
    columns: tuple[str, ...]
    description: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    dies_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entity:
    """One kind of Gazelle record, from its list operation to its tables.

    Attributes:
        name: `clients`; the staging table is `staging_clients`, the operations file `clients.graphql`.
        title: Its name for staff.
        root: The list field of the query type (`allClients`).
        strategy: How changes are found.
        page_operation: Name of the operation that pages through bodies; the stamp operation has the same variables.
        stamp_operation: Name of the operation that reads `{ id updatedAt }` only; None if there is no `updatedAt`.
        by_id: Root field and argument of the by-id query with `$id` as its variable (`client(id: $id)`), or None.
        body_fragment: Name of the fragment that both the page and the by-id query spread.
        sort_enum: The GraphQL enum type of `sortBy`, or None.
        stable_sort: The value of it that keeps pages stable while records are edited.
        reconcile: Body → rows.
        parent_hints: Body → what it says of its parents.
        read_page: A page of bodies that are all alike → columns, for entities with very many; None: bodies one by one.
        tables: The tables it fills, the entity's own first, then nested ones, parents before children.
        parents: Path of a named record's id in the body → entity of that record. A path is field names; `[]` after a
            name walks a list (`("allEventPianos", "nodes[]", "piano", "id")`).
        never_null: Fields of the body and of its nested records that the published schema declares non-null, and whose
            null no other check would notice.
        nested_operations: Path of a connection in the body → operation that reads all of its pages by the id of the
            record that it belongs to; outer connections before those inside them.
        has_window: Whether a tick reads only records that start within the settings' window of days (appointments).
        takes_along: Whether records that name one of these are deleted with it: the deletion guard does not count them.
        changed_at: Body field whose Montreal day is the record's partition (`updatedAt`, `occurredAt`).
        description: One sentence, shown in the UI.
    """

    name: str
    title: Message
    root: str
    strategy: Strategy
    page_operation: str
    body_fragment: str
    reconcile: Reconciler
    tables: tuple[Table, ...]
    stamp_operation: str | None = None
    by_id: str | None = None
    sort_enum: str | None = None
    stable_sort: str | None = None
    parent_hints: ParentHints | None = None
    read_page: PageReader | None = None
    parents: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    never_null: frozenset[str] = frozenset()
    nested_operations: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    has_window: bool = False
    takes_along: bool = False
    changed_at: str = "updatedAt"
    description: str = ""

    @property
    def shortest_operation(self) -> str:
        """The operation that reads every id with the least besides: the stamps, or bodies where there are none."""
        return self.stamp_operation or self.page_operation

    @property
    def staging_table(self) -> str:
        """Name of the table that holds the raw bodies."""
        return f"staging_{self.name}"

    @property
    def table(self) -> Table:
        """The entity's own production table (nested ones follow it in `tables`)."""
        return self.tables[0]


USERS = Entity(
    name="users",
    title=Message("Technicians"),
    root="allUsers",
    strategy=Strategy.WHOLE_LIST,
    page_operation="UsersPage",
    stamp_operation="UsersStamps",
    body_fragment="UserBody",
    reconcile=user.reconcile_user,
    tables=(
        Table(
            "gazelle_users", user.COLUMNS, "The people of the shop who have a Gazelle login: technicians and office."
        ),
    ),
    description="Technicians and office staff, as Gazelle knows them.",
)

PRODUCTS = Entity(
    name="products",
    title=Message("Products"),
    root="allMasterServiceItems",
    strategy=Strategy.WHOLE_LIST,
    page_operation="ProductsPage",
    stamp_operation="ProductsStamps",
    body_fragment="ProductBody",
    reconcile=product.reconcile_product,
    tables=(
        Table("gazelle_products", product.COLUMNS, "The shop's price list: services and parts, in French and English."),
    ),
    description="Services and parts that the shop sells, with their prices.",
)

CLIENTS = Entity(
    name="clients",
    title=Message("Clients"),
    root="allClients",
    strategy=Strategy.STAMPS,
    page_operation="ClientsPage",
    stamp_operation="ClientsStamps",
    by_id="client(id: $id)",
    body_fragment="ClientBody",
    sort_enum="ClientSort",
    stable_sort="CREATED_AT_ASC",
    reconcile=client.reconcile_client,
    read_page=client.client_page,
    parent_hints=client.parents_of_client,
    tables=(
        Table(
            "gazelle_clients",
            client.CLIENT_COLUMNS,
            "The shop's clients: people, schools, halls. Name, e-mail and city are the default contact's.",
            merged={"tags": "gazelle_tags"},
            references={"preferred_technician_external_id": "gazelle_users"},
        ),
        Table(
            "gazelle_contacts",
            client.CONTACT_COLUMNS,
            "Whom to write to or call at a client. Archived contacts are kept and marked.",
            owner="client_external_id",
            references={"client_external_id": "gazelle_clients"},
        ),
        Table(
            "gazelle_locations",
            client.LOCATION_COLUMNS,
            "Where a contact lives, works or gets its mail.",
            owner="client_external_id",
            references={"client_external_id": "gazelle_clients", "contact_external_id": "gazelle_contacts"},
        ),
    ),
    parents={("preferredTechnicianId",): "users"},
    never_null=frozenset({"tags", "allContacts", "allLocations"}),
    nested_operations={
        ("allContacts",): "ClientContacts",
        ("allContacts", "nodes[]", "allLocations"): "ContactLocations",
    },
    takes_along=True,
    description="Clients with their contacts and addresses.",
)

PIANOS = Entity(
    name="pianos",
    title=Message("Pianos"),
    root="allPianos",
    strategy=Strategy.STAMPS,
    page_operation="PianosPage",
    stamp_operation="PianosStamps",
    by_id="piano(id: $id)",
    body_fragment="PianoBody",
    sort_enum="PianoSort",
    stable_sort="CREATED_AT_ASC",
    reconcile=piano.reconcile_piano,
    read_page=piano.piano_page,
    parent_hints=piano.parents_of_piano,
    tables=(
        Table(
            "gazelle_pianos",
            piano.PIANO_COLUMNS,
            "Every piano that the shop looks after, where it stands and when it is due.",
            merged={"tags": "gazelle_tags"},
            references={"client_external_id": "gazelle_clients"},
        ),
        Table(
            "gazelle_piano_measurements",
            piano.MEASUREMENT_COLUMNS,
            "Humidity, temperature, pitch and key readings taken at a piano.",
            owner="piano_external_id",
            references={"piano_external_id": "gazelle_pianos"},
        ),
    ),
    parents={("client", "id"): "clients"},
    never_null=frozenset({"tags", "allPianoMeasurements"}),
    description="Pianos with their measurements.",
)

INVOICES = Entity(
    name="invoices",
    title=Message("Invoices"),
    root="allInvoices",
    strategy=Strategy.STAMPS,
    page_operation="InvoicesPage",
    stamp_operation="InvoicesStamps",
    by_id="invoice(id: $id)",
    body_fragment="InvoiceBody",
    sort_enum="InvoiceSort",
    stable_sort="CREATED_AT_ASC",
    reconcile=invoice.reconcile_invoice,
    read_page=invoice.invoice_page,
    parent_hints=invoice.parents_of_invoice,
    tables=(
        Table(
            "gazelle_invoices",
            invoice.INVOICE_COLUMNS,
            "Invoices of every status, archived ones included, in dollars.",
            references={
                "client_external_id": "gazelle_clients",
                "contact_external_id": "gazelle_contacts",
                "assigned_to_external_id": "gazelle_users",
            },
        ),
        Table(
            "gazelle_invoice_items",
            invoice.ITEM_COLUMNS,
            "The lines of an invoice, each with its taxes.",
            owner="invoice_external_id",
            references={
                "invoice_external_id": "gazelle_invoices",
                "piano_external_id": "gazelle_pianos",
                "product_external_id": "gazelle_products",
            },
        ),
        Table(
            "gazelle_invoice_payments",
            invoice.PAYMENT_COLUMNS,
            "What was paid on invoices, tips included, in dollars.",
            owner="invoice_external_id",
            references={"invoice_external_id": "gazelle_invoices"},
        ),
    ),
    parents={
        ("client", "id"): "clients",
        ("assignedTo", "id"): "users",
        ("allInvoiceItems", "nodes[]", "piano", "id"): "pianos",
        ("allInvoiceItems", "nodes[]", "masterServiceItem", "id"): "products",
    },
    never_null=frozenset({"allInvoiceItems", "allInvoicePayments"}),
    nested_operations={("allInvoiceItems",): "InvoiceItems", ("allInvoicePayments",): "InvoicePayments"},
    description="Invoices with their items and payments.",
)

APPOINTMENTS = Entity(
    name="appointments",
    title=Message("Appointments"),
    root="allEventsBatched",
    strategy=Strategy.STAMPS,
    page_operation="AppointmentsPage",
    stamp_operation="AppointmentsStamps",
    by_id="event(eventId: $id)",
    body_fragment="AppointmentBody",
    sort_enum="EventSort",
    stable_sort="START_ASC",
    reconcile=appointment.reconcile_appointment,
    read_page=appointment.appointment_page,
    parent_hints=appointment.parents_of_appointment,
    tables=(
        Table(
            "gazelle_appointments",
            appointment.APPOINTMENT_COLUMNS,
            "Visits, memos and personal blocks of the calendar. Times are UTC; "
            "v_appointments_montreal shows them as the wall clock does.",
            references={
                "client_external_id": "gazelle_clients",
                "piano_external_id": "gazelle_pianos",
                "technician_external_id": "gazelle_users",
            },
        ),
        Table(
            "gazelle_appointment_pianos",
            appointment.APPOINTMENT_PIANO_COLUMNS,
            "Which pianos a visit is for, and whether each is to be tuned.",
            owner="appointment_external_id",
            references={"appointment_external_id": "gazelle_appointments", "piano_external_id": "gazelle_pianos"},
            dies_with=("piano_external_id",),
        ),
    ),
    parents={
        ("client", "id"): "clients",
        ("user", "id"): "users",
        ("allEventPianos", "nodes[]", "piano", "id"): "pianos",
    },
    nested_operations={("allEventPianos",): "AppointmentPianos"},
    has_window=True,
    description="The calendar: visits, memos and personal blocks.",
)

TIMELINE = Entity(
    name="timeline",
    title=Message("Timeline"),
    root="allTimelineEntries",
    strategy=Strategy.WINDOWED,
    page_operation="TimelinePage",
    body_fragment="TimelineBody",
    reconcile=timeline.reconcile_timeline_entry,
    read_page=timeline.timeline_page,
    parent_hints=timeline.parents_of_timeline_entry,
    tables=(
        Table(
            "gazelle_timeline_entries",
            timeline.COLUMNS,
            "Notes, services, e-mails and calls, in the order in which they happened.",
            references={
                "client_external_id": "gazelle_clients",
                "piano_external_id": "gazelle_pianos",
                "user_external_id": "gazelle_users",
                "invoice_external_id": "gazelle_invoices",
            },
        ),
    ),
    parents={
        ("client", "id"): "clients",
        ("piano", "id"): "pianos",
        ("user", "id"): "users",
        ("invoice", "id"): "invoices",
    },
    changed_at="occurredAt",
    description="Everything noted, done or sent, for each client and piano, since 2016.",
)

TAXES = Entity(
    name="taxes",
    title=Message("Taxes"),
    root="allTaxes",
    strategy=Strategy.WHOLE_LIST,
    page_operation="TaxesPage",
    body_fragment="TaxBody",
    reconcile=tax.reconcile_tax,
    tables=(Table("gazelle_taxes", tax.COLUMNS, "The account's taxes, with the rates that invoices take."),),
    description="The taxes of the account and their rates.",
)

ENTITIES: tuple[Entity, ...] = (USERS, PRODUCTS, CLIENTS, PIANOS, INVOICES, APPOINTMENTS, TIMELINE, TAXES)
"""In dependency order: a table's parents are filled by an entity before it, or by its own."""


def entity_name(say: Translator, name: str) -> str:
    """The name of an entity for staff; of an unknown one (a newer version wrote it), its own name."""
    titles = {entity.name: entity.title for entity in ENTITIES}
    return say(titles[name]) if name in titles else name.capitalize()
