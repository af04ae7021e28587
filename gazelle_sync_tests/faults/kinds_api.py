"""Faults of the network, of HTTP, of GraphQL, of lists, of data and of Gazelle's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from gazelle_sync.pull.context import Mode
from gazelle_sync.sandbox.admin import SandboxAdmin
from gazelle_sync_tests.faults.context import PullContext
from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike

SAID, HARMLESS, HONEST, PLAUSIBLE = Expect.SAID, Expect.HARMLESS, Expect.HONEST, Expect.PLAUSIBLE


def armed(fault: str, *, fields: Sequence[str] = (), pull: dict[str, Any] | None = None, **arming: Any) -> Strike:
    """A run under a fault of the sandbox; `fields`: one of them is drawn as the fault's field."""

    def strike(context: PullContext) -> None:
        drawn: dict[str, Any] = {"field": context.draw.choice(fields)} if fields else {}
        context.arm(fault, **arming, **drawn)
        context.pull(**(pull or {}))

    return strike


def pulled(**options: Any) -> Strike:
    """A run with other settings, from beginning to end."""

    def strike(context: PullContext) -> None:
        context.held = True
        context.pull(**options)

    return strike


def at_api(**settings: Any) -> Strike:
    """A run while the sandbox has other settings."""

    def strike(context: PullContext) -> None:
        context.held = True
        context.shop.admin.settings(**settings)
        context.pull()

    return strike


# ---- network

SLOW = {"timeout_s": 0.2}
NETWORK = (
    Kind("refused", "network", "nothing listens at the address", pulled(api_url="http://127.0.0.1:9"), SAID,
         "cannot be reached"),
    Kind("reset", "network", "the connection is reset before an answer", armed("reset"), SAID, "cannot be reached"),
    Kind("reset after work", "network", "reset once the answer was computed", armed("close_after"), SAID,
         "cannot be reached"),
    Kind("cut short", "network", "reset in the middle of a body", armed("cut_short"), SAID, "cannot be reached"),
    Kind("timeout", "network", "no answer in time", armed("timeout", seconds=0.4, most=3, pull=SLOW), SAID,
         "did not answer in time"),
    Kind("stalled", "network", "a body stops in its middle", armed("stalled", seconds=0.5, most=3, pull=SLOW), SAID,
         "did not answer in time"),
    Kind("slow drip", "network", "a body comes in twenty drops", armed("slow_drip", seconds=0.2, may_hold=False),
         HARMLESS),
    Kind("truncated", "network", "half of a body, announced as whole", armed("truncated"), SAID, "not JSON"),
    Kind("empty body", "network", "200 with nothing in it", armed("empty_body"), SAID, "not JSON"),
    Kind("invalid UTF-8", "network", "bytes that are no text", armed("invalid_utf8"), SAID, "not JSON"),
    Kind("wrong encoding", "network", "says gzip and is not", armed("bad_encoding"), SAID, "cannot be reached"),
)  # fmt: skip

# ---- HTTP


def _retry_after_a_date(context: PullContext) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    context.arm("status", may_hold=False, most=1, code=429, retry_after=soon)
    context.pull()


def _token_expires(context: PullContext) -> None:
    oauth = context.shop.oauth()
    context.arm("token_expired", may_hold=False, most=2)
    context.pull(**oauth)


def _token_revoked(context: PullContext) -> None:
    oauth = context.shop.oauth()
    context.shop.admin.expire_token()
    oauth["client_secret"] = "another"
    context.held = True
    context.pull(**oauth)


def _status(name: str, about: str, words: str, **options: Any) -> Kind:
    return Kind(name, "http", about, armed("status", **options), SAID, words)


HTTP = (
    _status("500", "internal error", "HTTP 500", code=500),
    _status("503", "unavailable", "HTTP 503", code=503),
    _status("504", "a gateway gave up", "HTTP 504", code=504),
    Kind("502 HTML", "http", "a proxy's error page", armed("html_502"), SAID, "HTTP 502"),
    Kind("200 HTML", "http", "a page instead of JSON", armed("html_200"), SAID, "not JSON"),
    _status("429", "too many requests, and not for how long", "HTTP 429", code=429),
    _status("429 for a second", "too many requests, with Retry-After", "HTTP 429", code=429, retry_after=1,
            may_hold=False, most=1),
    Kind("429 until a date", "http", "Retry-After as a date", _retry_after_a_date, HARMLESS),
    _status("429 for an hour", "longer than a run waits", "HTTP 429", code=429, retry_after=3600),
    _status("400", "bad request", "HTTP 400", code=400),
    _status("404", "not found", "GAZELLE_API_URL", code=404),
    _status("413", "too large", "HTTP 413", code=413),
    _status("401", "unauthorized", "refuses the credentials", code=401),
    _status("403", "forbidden", "refuses the credentials", code=403),
    Kind("redirect", "http", "sent to a login page", armed("redirect"), SAID, "HTTP 302"),
    Kind("wrong key", "http", "the key is another's", pulled(api_token="of-another-shop"), SAID,
         "refuses the credentials"),
    Kind("token expires", "http", "the access token dies in the middle of a run", _token_expires, HONEST),
    Kind("token revoked", "http", "no refresh is possible", _token_revoked, SAID, "authorize|credentials"),
)  # fmt: skip

# ---- GraphQL


def _introspection_refused(context: PullContext) -> None:
    context.shop.query("DELETE FROM system_settings WHERE key = 'api_features'")
    context.held = True
    context.shop.admin.fault("graphql_errors", times=0, operation="__type", message="Introspection is disabled")
    context.pull()


GRAPHQL = (
    Kind("errors", "graphql", "200 with errors and no data", armed("graphql_errors", message="Boum"), SAID, "Boum"),
    Kind("partial", "graphql", "a null row and an error about it", armed("partial", message="Boum"), SAID, "Boum"),
    Kind("partial field", "graphql", "a null field, and an error that names it",
         armed("partial", message="Boum", fields=("updatedAt", "tags", "start", "status")), HONEST),
    Kind("not an object", "graphql", "JSON, and not GraphQL's", armed("not_an_object"), SAID, "not GraphQL"),
    Kind("null rows", "graphql", "rows are null and no error says so", armed("null_rows"), HONEST),
    Kind("null by id", "graphql", "listed records are not there by id", armed("null_by_id", operation="ById"), HONEST),
    Kind("swapped by id", "graphql", "records come under each other's aliases", armed("swapped"), HONEST),
    Kind("too many fields", "graphql", "more root fields than are allowed", armed("too_many_fields", max=7), HARMLESS),
    Kind("page size refused", "graphql", "pages of more than 15 are refused",
         armed("page_size_refused", max=15), HONEST),
    Kind("page size cut", "graphql", "pages are cut to 11 in silence", at_api(max_page_size=11), HARMLESS),
    Kind("no introspection", "graphql", "the schema may not be asked for", _introspection_refused, HONEST),
)  # fmt: skip

# ---- lists


def _people_at_work(context: PullContext) -> None:
    """Records come and go at the front of the lists while they are read."""
    over, url = threading.Event(), context.shop.sandbox.url
    client = context.shop.admin.dump("clients")[0]["id"]
    context.shop.admin.settings(latency_ms=5)

    def work() -> None:
        with SandboxAdmin(url) as admin:
            for number in range(200):
                if over.wait(0.01):
                    return
                made = admin.create("pianos", clientId=client, make="Éphémère", createdAt="2001-01-01T00:00:00Z")
                if number % 3:
                    admin.delete("pianos", str(made["id"]))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        context.pull(page_size=7)
    finally:
        over.set()
        worker.join()
    context.others_worked = True


def _mass_deletion(context: PullContext) -> None:
    pianos = [piano["id"] for piano in context.shop.admin.dump("pianos")[1:]]  # people go on working with the one left
    for piano in pianos:
        context.shop.admin.delete("pianos", piano)
    # One that was made since the last run was never held: nothing is missed when it is gone.
    held = "SELECT count(*) FROM gazelle_pianos WHERE external_id = ANY (%s) AND deleted_at IS NULL AND NOT is_stub"
    context.held, context.allow_deletes = context.shop.value(held, pianos) > PASSING_DELETIONS, True
    context.pull()


PASSING_DELETIONS = 10
"""So many records of one kind may a person delete between two runs of a shop as small as the campaign's."""


def _list(name: str, about: str, fault: str, expects: Expect, words: str = "", **options: Any) -> Kind:
    return Kind(name, "lists", about, armed(fault, **options), expects, words)


INCOMPLETE = "changed during every try|cannot give|differ|no end|lacks|could not be read|taken for a fault"
LISTS = (
    _list("empty list", "no rows, whatever totalCount says", "empty_list", SAID, INCOMPLETE),
    _list("early end", "hasNextPage is false too early", "early_end", HONEST),
    _list("cursor loop", "the same cursor again and again", "cursor_loop", HONEST),
    _list("no pageInfo", "the connection lacks it", "no_page_info", SAID, "lacks"),
    _list("no totalCount", "the connection lacks it", "no_total", SAID, "lacks"),
    _list("total too high", "totalCount is one more", "total_wrong", SAID, INCOMPLETE, delta=1),
    _list("total too low", "totalCount is two fewer", "total_wrong", SAID, INCOMPLETE, delta=-2),
    _list("row repeated", "a row comes twice", "repeat_row", HONEST),
    _list("row skipped", "a row does not come", "skip_row", SAID, INCOMPLETE, operation="totalCount"),
    _list("page repeated", "the first page again", "repeated_page", HONEST),
    _list("page moved on", "a page begins three rows late", "moved_page", HONEST, delta=3),
    _list("page moved back", "a page begins three rows early", "moved_page", HONEST, delta=-3),
    _list("out of order", "rows change places", "order_violation", HARMLESS),
    _list("duplicate id", "two records bear one id", "duplicate_id", HONEST),
    _list("empty account", "every list is empty, and its count agrees", "empty_account", HONEST),
    _list("empty account by id", "and nothing is there by id", "empty_account", HONEST, by_id=True),
    Kind("people at work", "lists", "records come and go while the pages are read", _people_at_work, HONEST),
    Kind("mass deletion", "lists", "a dozen pianos really are deleted", _mass_deletion, SAID, "--allow-deletes"),
)  # fmt: skip

# ---- data


def _poison(context: PullContext) -> None:
    """A client whose body breaks every answer that it is in."""
    admin = context.shop.admin
    contact = next(c for c in admin.dump("contacts") if not c["isDefault"])
    admin.edit("contacts", contact["id"], archived=None)
    admin.edit("clients", contact["clientId"])
    context.finally_do(lambda: admin.edit("contacts", contact["id"], archived=False))
    context.held = True
    context.pull(only=["clients"])


def _inside_records(fault: str, *, is_full: bool) -> Strike:
    """Lists inside records come without their rows, in one full run or one tick, to its end."""

    def strike(context: PullContext) -> None:
        admin = context.shop.admin
        field = context.draw.choice(["", *INSIDE])
        if not is_full:
            for kind in ("clients", "pianos", "invoices", "events"):
                records = admin.dump(kind)
                for record in context.draw.sample(records, min(EDITED_BEFORE_A_TICK, len(records))):
                    admin.edit(kind, record["id"])
        options: dict[str, Any] = {"field": field} if field else {}
        if fault == "thin_nested":
            options["share"] = context.draw.choice([0.3, 0.5, 0.8])
        context.story.append(f"{fault} {options}")
        context.held = field != "allPianoMeasurements"  # the campaign's shop has so few that a person may remove them
        admin.fault(fault, times=0, **options)
        context.pull(context.draw.choice([Mode.NIGHTLY, Mode.DEEP]) if is_full else Mode.TICK)

    return strike


EDITED_BEFORE_A_TICK = 12
"""Records of each kind; people may have left fewer."""
INSIDE = ("allContacts", "allLocations", "allPianoMeasurements", "allInvoiceItems", "allEventPianos")


def _garbage(kind: str, **values: Any) -> Strike:
    """One record with a value that no reconciler can read."""

    def strike(context: PullContext) -> None:
        admin = context.shop.admin
        record = context.draw.choice(admin.dump(kind))
        before: dict[str, Any] = {name: record.get(name) for name in values}
        admin.edit(kind, record["id"], **values)
        context.finally_do(lambda: admin.edit(kind, record["id"], **before))
        context.held = True
        context.pull()

    return strike


def _megabyte(context: PullContext) -> None:
    text = "Accord, réglage, harmonisation. " * 32_768
    context.shop.admin.edit("pianos", context.draw.choice(context.shop.admin.dump("pianos"))["id"], notes=text)
    context.pull()


def _data(name: str, about: str, fault: str, expects: Expect, words: str = "", **options: Any) -> Kind:
    return Kind(name, "data", about, armed(fault, **options), expects, words)


DATA = (
    _data("field missing", "a field that was asked for does not come", "missing_field", HONEST,
          fields=("updatedAt", "id", "tags", "start", "client", "allContacts", "occurredAt", "notes", "status")),
    _data("tags null", "tags, which are never null", "null_field", HONEST, fields=("tags",)),
    _data("tags emptied", "every tags is []", "empty_tags", PLAUSIBLE),
    _data("field null", "a field is null that was not", "null_field", PLAUSIBLE,
          fields=("status", "title", "make", "notes", "client", "user", "allEventPianos")),
    _data("start null", "a visit without start", "null_field", HONEST, fields=("start", "occurredAt", "id")),
    _data("unknown enum", "a status or type that nobody knows", "unknown_enum", PLAUSIBLE, fields=("status", "type")),
    _data("wrong type", "an object where a value belongs", "wrong_type", HONEST,
          fields=("status", "tags", "start", "notes", "client", "duration", "updatedAt", "allContacts")),
    _data("bad text", "NUL and half surrogates", "bad_text", PLAUSIBLE),
    _data("stamps null", "every updatedAt is null", "null_updated_at", PLAUSIBLE),
    _data("stamps in the future", "every updatedAt a day ahead", "shifted_stamps", PLAUSIBLE, seconds=86_400),
    _data("stamps in the past", "every updatedAt a year back", "shifted_stamps", PLAUSIBLE, seconds=-31_536_000),
    _data("starts shifted", "UTC read as local time", "shifted_starts", PLAUSIBLE, seconds=18_000),
    _data("starts without zone", "local or UTC, nobody knows", "naive_starts", HONEST),
    _data("nested emptied", "contacts, items, pianos of a visit: none", "empty_nested", PLAUSIBLE),
    Kind("nested emptied in a full run", "data", "lists inside all records are empty, or one kind of them",
         _inside_records("empty_nested", is_full=True), SAID, "leaves out"),
    Kind("nested cut in a full run", "data", "a part of the rows of these lists is missing",
         _inside_records("thin_nested", is_full=True), PLAUSIBLE),
    Kind("nested emptied in a tick", "data", "the same, of records that have just changed",
         _inside_records("empty_nested", is_full=False), PLAUSIBLE),
    Kind("nested cut in a tick", "data", "a part of the rows, of records that have just changed",
         _inside_records("thin_nested", is_full=False), PLAUSIBLE),
    _data("nested null", "lists inside records, which are never null, are", "null_field", HONEST,
          fields=("allContacts", "allInvoiceItems", "allPianoMeasurements")),
    Kind("poisoned record", "data", "a client that Gazelle itself cannot give", _poison, SAID, "archived"),
    Kind("impossible date", "data", "noContactUntil: demain", _garbage("clients", noContactUntil="demain"), SAID,
         '"errors": 1'),
    Kind("a megabyte", "data", "a note of 1 MB", _megabyte, HARMLESS),
)  # fmt: skip

# ---- Gazelle's clock


def _clock(*skews_s: float) -> Strike:
    def strike(context: PullContext) -> None:
        for skew_s in skews_s:
            time.sleep(1)  # stamps have whole seconds: nobody edits, sets a clock twice and edits again within one
            context.shop.admin.settings(clock_skew_s=skew_s)
            context.story += context.editor.work(1)
            context.pull()

    return strike


CLOCK = (
    Kind("an hour ahead", "clock", "Gazelle's clock, and its stamps", _clock(3600), HARMLESS),
    Kind("an hour behind", "clock", "Gazelle's clock, and its stamps", _clock(-3600), HARMLESS),
    Kind("back and forth", "clock", "an hour ahead, then an hour behind", _clock(3600, -3600), HARMLESS),
    Kind("a year ahead", "clock", "and right again", _clock(31_536_000, 0), HONEST),
    Kind("Date header off", "clock", "some answers are dated an hour off", armed("clock_skew", seconds=3600), HARMLESS),
    Kind("Date header unreadable", "clock", "Date: yesterday", armed("no_date"), HARMLESS),
)  # fmt: skip

API = (*NETWORK, *HTTP, *GRAPHQL, *LISTS, *DATA, *CLOCK)
