"""Faults that a push meets at Gazelle: the network, HTTP, GraphQL, and people who work on the same records."""

from __future__ import annotations

import time
from typing import Any

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.faults.push_context import AnyContext, PianosContext
from gazelle_sync_tests.faults.push_kinds_documents import DOCUMENTS, PRICES, SLOW

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST
NOBODYS = "pno_recopieDeTravers"


def armed(fault: str, *, push: dict[str, Any] | None = None, most: int = 4, **options: Any) -> Strike:
    """A fault of the sandbox, and a push or two that meet it."""

    def strike(context: AnyContext) -> None:
        context.arm(fault, most=most, **options)
        if fault == "timeout":
            # What was given up arrives all the same. Arriving after somebody's later edit, it would write over it, and
            # no client could tell: the API knows no condition. AccountEditor wait until it is in.
            context.finally_do(lambda: time.sleep(float(options["seconds"])))
        for _ in range(context.draw.randint(1, 2)):
            context.push(**push or {})

    return strike


def _on_creates(fault: str, **options: Any) -> Strike:
    """Strikes creations alone: what is sent twice there is seen twice."""

    def strike(context: AnyContext) -> None:
        times, create = context.draw.randint(1, 5), context.draw.choice(context.editor.creates)
        context.shop.admin.fault(fault, times=times, operation=create, **options)
        context.story.append(f"{fault} on {times} {create}")
        for _ in range(context.draw.randint(1, 2)):
            context.push(**SLOW)

    return strike


def _late(**answer: Any) -> Strike:
    """Gazelle goes on with a create after a bad answer, and has it some moments later."""

    def strike(context: AnyContext) -> None:
        draw = context.draw
        seconds, create = draw.uniform(0.2, 1.5), draw.choice(context.editor.creates)
        context.shop.admin.fault("late", times=draw.randint(1, 3), operation=create, seconds=seconds, **answer)
        context.story.append(f"late by {seconds:.1f} s on {create}")
        context.finally_do(lambda: time.sleep(seconds + 0.2))
        for _ in range(draw.randint(1, 3)):
            context.push(**draw.choice([{}, {"timeout_s": 2.0}]))

    return strike


def _forbidden_word(context: PianosContext) -> None:
    """A firewall that stumbles over a word of one note; the others go."""
    piano, word = context.draw.choice(context.editor.living), "DROP TABLE"
    text = f"note {context.draw.randrange(10**9)} {word}"
    context.editor.said[piano].add(text)
    context.office.edit(piano, notes=text)
    context.shop.admin.fault("status", code=403, times=0, operation=word)
    context.held = True
    context.push()
    others = [
        key
        for key, row in context.editor.rows().items()
        if "403" in (row["sync_error"] or "") and word not in (row["notes"] or "")
    ]
    if others:
        raise AssertionError(f"a word in a note of {piano} keeps {others} from being sent")


def _with(*, said: bool = True, **options: Any) -> Strike:
    def strike(context: AnyContext) -> None:
        context.held = said and _is_anything_due(context)
        context.push(**options)

    return strike


def _is_anything_due(context: AnyContext) -> bool:
    return bool(context.editor.due())


def _may_be_due(strike: Strike) -> Strike:
    """What holds to the end is said only where there is something to push."""

    def struck(context: AnyContext) -> None:
        is_due = _is_anything_due(context)
        strike(context)
        context.held = context.held and is_due

    return struck


def _mutation_errors(context: AnyContext) -> None:
    if context.office.transport == "rest":
        context.arm("status", code=422, operation="/api/v1/")
    else:
        context.arm("mutation_errors", message="Le registre est fermé", operation="mutation")
    context.held = False  # perhaps there was nothing that it could strike
    context.push()


def _token_expires(context: AnyContext) -> None:
    oauth = context.shop.oauth()
    deed = context.once_a_record(lambda _: context.shop.admin.expire_token(), chance=0.5)
    with context.hooked(after_send=deed, after_read=deed):
        context.push(**oauth)


def _token_revoked(context: AnyContext) -> None:
    oauth = context.shop.oauth()
    context.shop.admin.expire_token()
    context.held = _is_anything_due(context)
    context.push(**oauth | {"client_secret": "another"})


def _kind(name: str, about: str, fault: str, expects: Expect, words: str = "", **options: Any) -> Kind:
    group = "http" if fault in ("status", "html_200", "html_502", "redirect") else "network"
    return Kind(name, group, about, _may_be_due(armed(fault, **options)), expects, words)


NETWORK = (
    _kind("answer lost", "the connection ends once the work is done, before the answer", "close_after", SAID, "reach"),
    Kind("answer of a creation lost", "network", "the same, of creations alone", _on_creates("close_after"), HONEST),
    Kind("creation reset", "network", "a creation is reset, and not taken", _on_creates("reset"), HONEST),
    Kind("late after a reset", "network", "a create is reset, and Gazelle has it some moments later", _late(), HONEST),
    _kind("reset", "the connection is reset before an answer", "reset", SAID, "reach"),
    _kind("cut short", "reset in the middle of a body", "cut_short", SAID, "reach"),
    _kind("timeout", "no answer in time, and the request is taken all the same, later", "timeout", HONEST, seconds=0.8,
          most=2, may_hold=False, push=SLOW),
    Kind("creation timeout", "network", "the same, of creations alone", _on_creates("timeout", seconds=0.8), HONEST),
    _kind("stalled", "a body stops in its middle", "stalled", HONEST, seconds=0.8, most=2, may_hold=False, push=SLOW),
    _kind("slow drip", "a body comes in twenty drops", "slow_drip", HARMLESS, seconds=0.2, may_hold=False),
    _kind("truncated", "half of a body, announced as whole", "truncated", SAID, "JSON"),
    _kind("empty body", "200 with nothing in it", "empty_body", SAID, "JSON"),
    _kind("invalid UTF-8", "bytes that are no text", "invalid_utf8", SAID, "JSON"),
    _kind("wrong encoding", "says gzip and is not", "bad_encoding", SAID, "reach"),
)  # fmt: skip

HTTP = (
    _kind("500", "internal error", "status", SAID, "HTTP 500", code=500),
    _kind("503", "unavailable", "status", SAID, "HTTP 503", code=503),
    Kind("late after a 500", "http", "a create is answered with 500, and done some moments later", _late(code=500),
         HONEST),
    Kind("late after a 503", "http", "the same with 503", _late(code=503), HONEST),
    _kind("504", "a gateway gave up", "status", HONEST, code=504, push=SLOW),
    _kind("502 HTML", "a proxy's error page", "html_502", HONEST, push=SLOW),
    _kind("200 HTML", "a page instead of JSON", "html_200", SAID, "JSON"),
    Kind("200 HTML for a creation", "http", "the same, of creations alone", _on_creates("html_200"), HONEST),
    _kind("429", "too many requests, and not for how long", "status", SAID, "HTTP 429", code=429),
    _kind("429 for a second", "too many requests, with Retry-After", "status", HARMLESS, code=429, retry_after=1,
          may_hold=False, most=1),
    _kind("429 for an hour", "longer than a push waits", "status", SAID, "HTTP 429", code=429, retry_after=3600),
    _kind("400", "bad request", "status", SAID, "HTTP 400", code=400),
    _kind("404", "not found", "status", SAID, "", code=404),
    _kind("401", "unauthorized", "status", SAID, "credentials", code=401),
    _kind("403", "forbidden", "status", SAID, "credentials", code=403),
    _kind("redirect", "sent to a login page", "redirect", SAID, "HTTP 302"),
    Kind("wrong key", "http", "the key is another's", _with(api_token="of-another-shop"), SAID, "credentials"),
    Kind("token expires", "http", "the access token dies between two requests", _token_expires, HARMLESS),
    Kind("token revoked", "http", "no refresh is possible", _token_revoked, SAID, "authorize|credentials"),
)  # fmt: skip


def _lie(name: str, about: str, fault: str, expects: Expect = HONEST, words: str = "", **options: Any) -> Kind:
    return Kind(name, "graphql", about, _may_be_due(armed(fault, **options)), expects, words)


def _emptied(name: str, about: str, fault: str, **options: Any) -> Kind:
    """An emptiness that is a lie. Of a piano that nobody here ever read, it could as well be true: so one was read."""

    def strike(context: AnyContext) -> None:
        admin = context.shop.admin
        admin.settings(clock_skew_s=admin.settings()["clock_skew_s"] + 2)  # stamps, of whole seconds, are settled
        context.shop.sync(Mode.DEEP, only=("pianos",))
        context.editor.look()
        _may_be_due(armed(fault, **options))(context)

    return Kind(name, "graphql", about, strike, HONEST)


GRAPHQL = (
    _lie("errors", "200 with errors and no data", "graphql_errors"),
    Kind("mutationErrors", "graphql", "a refusal with HTTP 200; over REST a 422", _mutation_errors, HONEST),
    _lie("not an object", "JSON, and not GraphQL's", "not_an_object"),
    _lie("partial", "a null row and an error about it", "partial", operation="PushRead"),
    _lie("null by id", "a record is not there by its id", "null_by_id", operation="PushRead"),
    _lie("swapped by id", "records come under each other's aliases", "swapped", operation="PushRead"),
    _lie("bad text", "NUL and half surrogates", "bad_text", operation="PushEntries"),
    _lie("stamps null", "every updatedAt is null", "null_updated_at", operation="PushRead"),
)

ABOUT_PIANOS = (
    Kind("forbidden word", "http", "403 for one note, because of a word in it", _forbidden_word, SAID, "firewall"),
    _emptied("tags emptied", "a piano's tags are []", "empty_tags", operation="PushRead"),
    _lie("tags null", "a piano's tags, which are never null", "null_field", operation="PushRead", field="tags"),
    _lie("tags missing", "a piano without tags", "missing_field", operation="PushRead", field="tags"),
    _emptied("notes emptied", "a piano's notes are null", "null_field", operation="PushRead", field="notes"),
    _lie("notes missing", "a piano without notes", "missing_field", operation="PushRead", field="notes"),
)


# ---- people at Gazelle


def _while_pushing(moment: str) -> Strike:
    """Somebody at Gazelle edits a record under our hands."""

    def strike(context: AnyContext) -> None:
        # REST's answers do not say what a write replaced: there, the reading just before is all that can be done.
        at = moment if context.office.transport == "graphql" else "after_read"
        with context.hooked(**{at: context.once_a_record(context.editor.edit_there)}):
            context.push()

    return strike


def _says_the_same(context: PianosContext) -> None:
    for piano in context.editor.pianos:
        context.editor.say_the_same(piano)
    context.shop.admin.fault(context.draw.choice(["close_after", "reset"]), times=context.draw.randint(1, 3),
                           operation=context.draw.choice(context.editor.creates))  # fmt: skip
    context.push()


def _deleted(*, while_pushing: bool) -> Strike:
    def strike(context: PianosContext) -> None:
        piano = context.draw.choice(context.editor.living)
        context.editor.edit_here(piano)
        context.editor.gone.add(piano)

        def delete(_: str = "") -> None:
            context.shop.admin.delete("pianos", piano)

        if not while_pushing:
            context.held = context.editor.rows()[piano]["needs_sync"]  # not by the status that the row has already
            delete()
            context.push()
            return
        deed = context.once_a_record(lambda one: delete() if one == piano else None, chance=0.5)
        with context.hooked(after_read=deed, before_send=deed):
            context.push()
        if context.shop.admin.record("pianos", piano) is not None:
            delete()

    return strike


def _unknown(context: PianosContext) -> None:
    context.office.edit(NOBODYS, notes="Un numéro mal recopié")
    context.editor.gone.add(NOBODYS)
    context.held = True
    context.push()


def _inactive(context: PianosContext) -> None:
    piano = context.draw.choice(context.editor.living)
    context.editor.edit_here(piano)
    context.shop.admin.edit("pianos", piano, status="INACTIVE")
    context.finally_do(lambda: context.shop.admin.edit("pianos", piano, status="ACTIVE"))
    context.push()


def _clock_jumps(context: AnyContext) -> None:
    admin = context.shop.admin
    admin.settings(clock_skew_s=admin.settings()["clock_skew_s"] + context.draw.choice([60, 3600, 90_000]))
    context.editor.work(2)
    context.push()


EDITED_THERE = (
    Kind("edited after the reading", "gazelle", "somebody edits the record between our read and our write",
         _while_pushing("after_read"), HARMLESS),
    Kind("edited at the write", "gazelle", "the same in the very moment of the write (over REST: after the first read)",
         _while_pushing("before_send"), HARMLESS),
    Kind("edited after the write", "gazelle", "the same, right after it", _while_pushing("after_send"), HONEST),
)  # fmt: skip
CLOCK = Kind("clock jumps", "gazelle", "Gazelle's clock jumps ahead, and stays there", _clock_jumps, HARMLESS)

GAZELLE = (
    Kind("same words", "gazelle", "others wrote the very words of ours, and answers are lost", _says_the_same, HONEST),
    Kind("deleted", "gazelle", "the piano is not at Gazelle any more", _deleted(while_pushing=False), SAID,
         "Gazelle has no"),
    Kind("deleted meanwhile", "gazelle", "it goes while its push is under way", _deleted(while_pushing=True), HONEST),
    Kind("unknown piano", "gazelle", "a row of a piano that never was", _unknown, SAID, "Gazelle has no"),
    Kind("inactive", "gazelle", "the piano is inactive, then active again", _inactive, HONEST),
)  # fmt: skip

ANY_API = (*NETWORK, *HTTP, *GRAPHQL, *DOCUMENTS, CLOCK)
"""Whatever is pushed."""
PUSH_API = (*ANY_API, *ABOUT_PIANOS, *EDITED_THERE, *GAZELLE, *PRICES)
