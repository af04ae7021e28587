"""The dataset: every record of an invented account.

The same seed, volume and `now` give the same account. Its sizes are those that an earlier program was measured with
(`seed`), or those of a real shop (`shop`). Its unusual records are those that made earlier programs fail.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import datetime

from gazelle_sync.sandbox import billing
from gazelle_sync.sandbox.drawing import DAY_S, HISTORY_DAYS, Draw, Volume
from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.events import Calendar
from gazelle_sync.sandbox.settings import instant
from gazelle_sync.sandbox.vocabulary import (
    CITIES,
    CLIENT_TAGS,
    FIRST_NAMES,
    INSTITUTIONS,
    LAST_NAMES,
    MAKES,
    NOTES,
    PIANO_TAGS,
    PRODUCT_GROUPS,
    ROOMS,
    STREETS,
    SUMMARIES,
    TIMELINE_TYPES,
)

TAXES = (("TPS", 5000), ("TVQ", 9975))
INSTITUTION_CONTACTS = 120


def invent(volume: Volume, *, now: datetime, seed: int = 1) -> dict[str, list[Record]]:
    """Every record of an account, by kind, in the order of creation."""
    # Nothing of what is made can be freed yet: looking for garbage would take longer than the work.
    collected = gc.isenabled()
    gc.disable()
    try:
        return Inventor(volume, now, seed).account()
    finally:
        if collected:
            gc.enable()


class Inventor(Draw):
    """Draws the account, parents before children."""

    def account(self) -> dict[str, list[Record]]:
        """Draw everything."""
        made = self.made
        made["taxes"] = [
            {"id": self.id("tax"), "name": name, "rate": rate, "default": True, "activeOrHistorical": "ACTIVE"}
            for name, rate in TAXES
        ]
        people = [self._user(number) for number in range(self.volume.users + 2)]
        made["users"], made["former_users"] = people[: self.volume.users], people[self.volume.users :]
        made["product_groups"] = [billing.product_group(self, place) for place in range(len(PRODUCT_GROUPS))]
        made["products"] = [billing.product(self, place) for place in range(self.volume.products)]
        made["clients"] = sorted(map(self._client, range(self.volume.clients)), key=lambda row: str(row["createdAt"]))
        made["contacts"] = [contact for client in made["clients"] for contact in self._contacts(client)]
        made["pianos"] = [self._piano(place) for place in range(self.volume.pianos)]
        made["measurements"] = [row for piano in made["pianos"] for row in self._measurements(piano)]
        made["events"] = Calendar(self).events()
        made["invoices"] = [billing.invoice(self, number) for number in range(1, self.volume.invoices + 1)]
        made["client_logs"] = []
        made["timeline"] = list(self.timeline())
        return made

    # ---- people

    def _user(self, number: int) -> Record:
        first, last = FIRST_NAMES[number], LAST_NAMES[number]
        created, updated = self.stamps(HISTORY_DAYS)
        return {
            "id": self.id("usr"),
            "firstName": first,
            "lastName": last,
            "fullName": f"{first} {last}",
            "email": f"technicien{number}@pianos-bac-a-sable.example",
            "status": "ACTIVE" if number < self.volume.users - 1 else "INACTIVE",
            "accessLevel": "ADMIN" if number == 0 else "TECHNICIAN",
            "isSchedulable": number < self.volume.users - 2,
            "hasLimitedAccess": False,
            "isTrafficEnabled": True,
            "wantsReservationNotifications": number == 0,
            "color": f"#{40 + number * 12:02x}80c0",
            "defaultBuffer": 15,
            "timezone": "America/Toronto",
            "region": "QC",
            "locale": "fr_CA",
            "createdAt": created,
            "updatedAt": updated,
        }

    def _client(self, place: int) -> Record:
        created, updated = self.stamps(HISTORY_DAYS)
        institution = place % 12 == 0
        suffix = "" if place < 12 * len(INSTITUTIONS) else f" {place}"
        return {
            "id": self.id("cli"),
            "companyName": INSTITUTIONS[place // 12 % len(INSTITUTIONS)] + suffix if institution else None,
            "status": self.random.choices(("ACTIVE", "INACTIVE", "PROSPECT", "NEW"), (85, 8, 4, 3))[0],
            "tags": [] if self.chance(0.4) else self.random.sample(CLIENT_TAGS, self.random.randint(1, 3)),
            "clientType": "institution" if institution else "residential",
            "region": "QC",
            "locale": "fr_CA" if self.chance(0.8) else "en_CA",
            "personalNotes": "Préfère le matin. Chien nommé Bécarre." if self.chance(0.2) else None,
            "preferenceNotes": "Sonner deux fois — l'entrée est à l'arrière." if self.chance(0.2) else None,
            "preferredTechnicianId": self.random.choice(self.made["users"])["id"] if self.chance(0.5) else None,
            "lifecycleState": self.random.choice(("ACTIVE", "NO_LIFECYCLE", "INACTIVE")),
            "noContactUntil": self.day(-90) if place % 97 == 5 else None,
            "noContactReason": "En voyage" if place % 97 == 5 else None,
            "referredBy": "Bouche à oreille" if self.chance(0.3) else None,
            "ignoreSafetyChecks": False,
            "createdAt": created,
            # A few were imported without a stamp.
            "updatedAt": None if place % 331 == 7 else updated,
        }

    def _contacts(self, client: Record) -> Iterator[Record]:
        if client["companyName"] == INSTITUTIONS[0]:
            number = INSTITUTION_CONTACTS
        elif client["companyName"]:
            number = self.random.choice((0, 1, 2, 3))
        else:
            # The others have neither a company nor a contact.
            number = self.random.choices((0, 1, 2), (2, 85, 13))[0]
        for place in range(number):
            yield self._contact(client, place)

    def _contact(self, client: Record, place: int) -> Record:
        draw = self.random
        city, postal_prefix = draw.choice(CITIES)
        location = {
            "id": self.id("loc"),
            "usageType": "STREET",
            "locationType": "ADDRESS",
            "street1": f"{draw.randint(1, 9999)}, {draw.choice(STREETS)}",
            "municipality": city,
            "region": "QC",
            "postalCode": f"{postal_prefix} {draw.randint(0, 9)}A{draw.randint(0, 9)}",
            "countryCode": "CA",
            "latitude": f"{45.4 + draw.random() / 3:.6f}",
            "longitude": f"{-73.9 + draw.random() / 2:.6f}",
            "geocodeType": "ROOFTOP",
            "isBadAddress": False,
            "createdAt": client["createdAt"],
            "updatedAt": client["createdAt"],
        }
        first, last = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES)
        phone: Record = {"id": self.id("pho"), "phoneNumber": f"+1514555{draw.randint(0, 9999):04d}", "type": "MOBILE"}
        mobile = self.chance(0.6)
        phone |= {"isDefault": True, "confirmedClass": "MOBILE" if mobile else "LANDLINE"}
        phone |= {"createdAt": client["createdAt"], "updatedAt": client["createdAt"]}
        email = {"id": self.id("eml"), "email": f"{draw.randrange(10**9)}@exemple.example", "isDefault": True}
        return {
            "id": self.id("con"),
            "clientId": client["id"],
            "firstName": first,
            "lastName": last,
            "title": draw.choice(("Mme", "M.", None, None)),
            "role": draw.choice(("Direction", "Comptabilité", None)) if client["companyName"] else None,
            "isDefault": place == 0,
            "isBillingDefault": place == 0,
            "archived": place > 0 and self.chance(0.15),
            "sortOrder": place,
            "wantsEmail": True,
            "wantsPhone": self.chance(0.7),
            "wantsText": mobile,
            "emails": [email] if self.chance(0.85) else [],
            "phones": [phone] if self.chance(0.9) else [],
            "locations": [location] if self.chance(0.95) else [],
            "addresses": [],
            "createdAt": client["createdAt"],
            "updatedAt": client["updatedAt"],
        }

    # ---- instruments

    def _piano(self, place: int) -> Record:
        draw = self.random
        make, models = draw.choice(MAKES)
        created, updated = self.stamps(HISTORY_DAYS)
        grand = self.chance(0.4)
        served = draw.randint(0, 900)
        humidity_system = self.chance(0.3)
        institutions = [0, 12] if self.volume.clients > 12 else [0]
        owners = self.made["clients"]
        owner = owners[draw.choice(institutions)] if place % 20 == 0 else draw.choice(owners)
        return {
            "id": self.id("pno"),
            "clientId": owner["id"],
            "make": make,
            "model": draw.choice(models),
            "serialNumber": str(draw.randint(1000, 6_500_000)) if self.chance(0.8) else None,
            "type": "GRAND" if grand else draw.choice(("UPRIGHT", "STUDIO", "CONSOLE", "UNKNOWN")),
            "year": draw.randint(1885, 2024) if self.chance(0.7) else None,
            "location": draw.choice(ROOMS),
            "status": draw.choices(("ACTIVE", "INACTIVE", "TEMPORARY_STORAGE", "UNDER_RESTORATION"), (90, 7, 2, 1))[0],
            "notes": draw.choice(NOTES) if self.chance(0.3) else None,
            "tags": [] if self.chance(0.35) else draw.sample(PIANO_TAGS, draw.randint(1, 3)),
            "size": f"{draw.randint(150, 280)} cm" if grand else None,
            "useType": draw.choice(("HOME", "INSTITUTION", "CONCERT", None)),
            "serviceIntervalMonths": draw.choice((6, 12, 12, 24, None)),
            "calculatedLastService": self.day(served) if served < 800 else None,
            "calculatedNextService": self.day(served - 365) if served < 800 else None,
            "eventLastService": self.day(served) if served < 800 else None,
            "manualLastService": self.day(900) if self.chance(0.1) else None,
            "damppChaserInstalled": humidity_system,
            "damppChaserHumidistatModel": draw.choice(("H-2", "H-4")) if humidity_system else None,
            "damppChaserMfgDate": self.day(2000) if humidity_system else None,
            "playerInstalled": self.chance(0.03),
            "needsRepairOrRebuilding": self.chance(0.05),
            "totalLoss": False,
            "hasIvory": self.chance(0.05),
            "consignment": False,
            "rental": False,
            "caseColor": draw.choice(("Noir", "Acajou", "Noyer", "Blanc", None)),
            "caseFinish": draw.choice(("Poli", "Satiné", None)),
            "lifecycleState": "ACTIVE",
            "createdAt": created,
            "updatedAt": None if place % 431 == 9 else updated,
        }

    def _measurements(self, piano: Record) -> Iterator[Record]:
        if not self.chance(0.25):
            return
        for _ in range(self.random.randint(1, 3)):
            days = self.random.randint(31, 2000)
            yield {
                "id": self.id("msr"),
                "pianoId": piano["id"],
                "takenOn": self.day(days),
                "humidity": self.random.randint(8, 92),
                "temperature": self.random.randint(15, 28),
                "a4Pitch": self.random.randint(4360, 4440) // 10,
                "createdAt": self.ago(days),
                "updatedAt": self.ago(days),
            }

    # ---- the timeline

    def timeline(self) -> Iterator[Record]:
        """Entries of the timeline, for pianos, users, events and invoices that exist."""
        volume, draw = self.volume, self.random
        types, weights = zip(*TIMELINE_TYPES, strict=True)
        recent = volume.recent_entries
        odd = [] if volume.timeline < 60 else list(self._odd_entries())
        drawn = draw.choices(types, weights, k=volume.timeline - len(odd))
        yield from odd
        pianos, users = self.made["pianos"], [*self.made["users"], *self.made["former_users"]]
        older_s = 31 * DAY_S
        span_s = HISTORY_DAYS * DAY_S - older_s
        for place, entry_type in enumerate(drawn):
            ago_s = draw.random() * 29.9 * DAY_S if place < recent else older_s + draw.random() * span_s
            piano = pianos[int(draw.random() * len(pianos))]
            yield self._entry(entry_type, self.now_s - int(ago_s) - 1, piano, users[int(draw.random() * len(users))])

    def _entry(self, entry_type: str, occurred_s: int, piano: Record, user: Record) -> Record:
        draw = self.random
        entry: Record = {
            "id": self.id("tle" if draw.random() < 0.1 else "tme"),
            "type": entry_type,
            "occurredAt": instant(occurred_s),
            "clientId": piano["clientId"],
            "userId": user["id"],
            "summary": SUMMARIES[entry_type],
        }
        if entry_type in _ENTRIES_OF_PIANOS:
            entry["pianoId"] = piano["id"]
            entry["comment"] = f"{draw.choice(NOTES)} {16 + int(draw.random() * 11)}°, {25 + int(draw.random() * 46)}%"
        elif entry_type == "USER_COMMENT":
            entry["comment"] = draw.choice(NOTES)
        elif entry_type.startswith("INVOICE"):
            entry["invoiceId"] = draw.choice(self.made["invoices"])["id"]
        elif entry_type == "APPOINTMENT":
            entry["appointmentId"] = draw.choice(self.made["events"])["id"]
            entry["duration"] = 60
        elif entry_type == "ESTIMATE":
            entry["estimateId"] = self.id("est")
        elif entry_type == "SYSTEM_MESSAGE":
            del entry["userId"]
        return entry

    def _odd_entries(self) -> Iterator[Record]:
        """Past entries of the kinds that made earlier programs fail."""
        piano, other = self.made["pianos"][:2]
        user = self.made["users"][0]
        long_ago = self.now_s - 800 * DAY_S
        twin = self._entry("SERVICE_ENTRY_MANUAL", long_ago, piano, user)
        # An imported entry and the API's own: the same words at the same instant, under two ids.
        yield twin | {"id": self.id("tle")}
        yield twin | {"id": self.id("tme")}
        # Two pianos with the same note at the same instant are no twins.
        yield twin | {"id": self.id("tme"), "pianoId": other["id"], "clientId": other["clientId"]}
        for days in (45, 400, 1200):
            entry = self._entry("USER_COMMENT", self.now_s - days * DAY_S, piano, user)
            yield entry | {"clientId": self.deleted_client_id}
        former = self._entry("SERVICE_ENTRY_MANUAL", long_ago - DAY_S, piano, self.made["former_users"][0])
        yield former | {"comment": "Note écrite trois semaines après la visite. 20°, 41%, 440Hz"}
        empty = self._entry("USER_COMMENT", long_ago - 2 * DAY_S, piano, user)
        yield empty | {"comment": None, "summary": None}


_ENTRIES_OF_PIANOS = {"SERVICE_ENTRY_MANUAL", "SERVICE_ENTRY_AUTOMATED", "PIANO_MEASUREMENT"}
