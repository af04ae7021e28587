"""The French catalogue has every sentence of the code; numbers and days have the form of each language."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache

import click
import pytest
from babel.messages.catalog import Catalog, Message

from gazelle_sync import errors
from gazelle_sync.cli.app import main
from gazelle_sync.i18n.translator import Plural, spaced, translator
from gazelle_sync_tests.faults.campaign import CAMPAIGNS
from gazelle_sync_tests.support import messages as extracted
from gazelle_sync_tests.support.messages import KEYWORDS, PACKAGE

NO_WORDS = r"[{}\w :→-]*"
"""Names, units and places: what may be the same in both languages."""
SENTENCE = re.compile(r"[A-Za-z]{3,} [a-z]{2,}")
"""Two words: more than a name, a unit or a sign."""
CHECKS = Plural("{count} check", "{count} checks")


said_by_the_code = cache(extracted.said_by_the_code)
french = cache(extracted.french)


def messages(catalogue: Catalog) -> dict[str | tuple[str, ...], Message]:
    return {message.id if isinstance(message.id, str) else tuple(message.id): message for message in catalogue
            if message.id}  # fmt: skip


def texts(sentence: object) -> tuple[str, ...]:
    return (sentence,) if isinstance(sentence, str) else tuple(sentence)  # type: ignore[arg-type]


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_catalogue_holds_what_the_code_says_and_nothing_else() -> None:
    code, catalogue = messages(said_by_the_code()).keys(), messages(french()).keys()
    assert code - catalogue == set(), "`make messages` adds them; then translate them"
    assert catalogue - code == set(), "`make messages` takes them out"


OTHERS_SAY = {"HTTP ", "Boum", '"errors": ', "read-only", "lock timeout", "statut"}
"""What a campaign looks for that a server, the API, a report or a shop's own table says."""


@pytest.mark.parametrize("campaign", ["pull", "push"])
def test_what_a_campaign_looks_for_is_said_somewhere(campaign: str) -> None:
    """A sentence that is put better must be put so there as well, or the campaign calls a good answer silence."""
    sentences = [text for sentence in messages(said_by_the_code()) for text in texts(sentence)]
    words = {word for kind in CAMPAIGNS[campaign].kinds.values() for word in kind.words.split("|")}
    unsaid = {word for word in words if not any(re.search(word, text, re.IGNORECASE) for text in sentences)}
    assert {word for word in unsaid if not word.startswith(tuple(OTHERS_SAY))} == set()


def test_no_sentence_hides_where_the_extractor_cannot_see_it() -> None:
    """Before Python 3.12 it does not look into f-strings."""
    seen = {text for sentence in messages(said_by_the_code()) for text in texts(sentence)}
    literals = {
        text.value
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in KEYWORDS
        for text in (call.args if call.func.id == "Plural" else call.args[:1])
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    }
    assert literals - seen == set()


def test_every_sentence_is_translated_and_names_the_same_places() -> None:
    for sentence, message in messages(french()).items():
        assert not message.fuzzy, sentence
        translated = texts(message.string)
        assert len(translated) == len(texts(sentence)), sentence
        assert all(translated), sentence
        assert translated != texts(sentence) or all(re.fullmatch(NO_WORDS, text) for text in translated), sentence
        asked = [places(text) for text in texts(sentence)]
        if "count" in asked[-1]:  # ours: French says "0" in the singular
            asked = [set().union(*asked)] * len(asked)
        assert [places(text) for text in translated] == asked, sentence


def test_every_command_and_option_says_what_it_is_for() -> None:
    def silent(command: click.Command, name: str) -> Iterator[str]:
        options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
        yield from (f"{name} {one.opts[0]}" for one in options if not one.help)
        yield from ([] if command.help else [name])
        for word, each in command.commands.items() if isinstance(command, click.Group) else ():
            yield from silent(each, f"{name} {word}")

    assert list(silent(main, "gazelle-sync")) == []


def test_no_command_prints_and_no_error_of_ours_says_a_bare_sentence() -> None:
    """Everything that a person can meet goes through the catalogue; what only a programmer meets does not."""
    ours = {name for name in vars(errors) if name[0].isupper()}
    bare = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}"
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ours | {"click.echo", "click.secho"}
        for said in call.args[:2]
        if SENTENCE.search(literal(said))
    ]
    assert bare == []


def literal(node: ast.expr) -> str:
    """What of an expression is written out in the code, where it is a text, or texts put together."""
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(literal, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else ""


def test_every_sentence_can_be_written_in_french() -> None:
    say = translator("fr")
    for sentence in messages(said_by_the_code()):
        names = set().union(*(places(text) for text in texts(sentence)))
        if isinstance(sentence, tuple):
            assert say(Plural(*sentence), **dict.fromkeys(names, "x") | {"count": 2})
        else:
            assert say(sentence, **dict.fromkeys(names, "x"))


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [("en", 0, "0 checks"), ("en", 1, "1 check"), ("en", 1344, "1,344 checks"),
     ("fr", 0, "0 vérification"), ("fr", 1, "1 vérification"),
     ("fr", 1344, "1\N{NARROW NO-BREAK SPACE}344 vérifications")],
)  # fmt: skip
def test_a_count_takes_the_form_that_its_language_asks_for(language: str, count: int, said: str) -> None:
    assert translator(language)(CHECKS, count=count) == said


def test_numbers_and_days_are_written_as_their_language_does() -> None:
    english, french = translator("en"), translator("fr")
    assert (english.decimal(0.72), french.decimal(0.72)) == ("0.7", "0,7")
    assert (english.percentage(0.0007), french.percentage(0.0007)) == ("0.07%", "0,07\N{NO-BREAK SPACE}%")
    assert english.day(date(2026, 12, 1), "EEEE, MMMM d") == "Tuesday, December 1"
    assert french.day(date(2026, 12, 1), "EEEE d MMMM") == "mardi 1er décembre"
    assert french.day(date(2026, 12, 11), "d MMMM y") == "11 décembre 2026"


def test_numbers_that_count_something_are_grouped_wherever_a_sentence_names_them() -> None:
    french = translator("fr")
    assert french("{n} s", n=1344) == "1\N{NARROW NO-BREAK SPACE}344 s"
    assert french("draft {id}: {state}", id=1344, state="x").startswith("brouillon 1344")
    assert french("{value!r} is no day: write one such as 2026-11-20.", value=1344).startswith("1344 ")
    assert [french.exact(value) for value in (1344, Decimal("12.50"), 0.125)] == [
        "1\N{NARROW NO-BREAK SPACE}344", "12,50", "0,125",
    ]  # fmt: skip


def test_french_has_the_spaces_that_the_office_quebecois_asks_for() -> None:
    full, narrow = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"
    assert spaced("Fini : « oui » ; non ! Où ?") == f"Fini{full}: «{full}oui{full}»{narrow}; non{narrow}! Où{narrow}?"
    assert spaced("à 08:00, https://gazelleapp.io?a=1") == "à 08:00, https://gazelleapp.io?a=1"


def test_what_fills_a_place_keeps_its_own_spaces() -> None:
    assert translator("fr")("use it with: {variables}", variables="a : b ?").endswith("\N{NO-BREAK SPACE}: a : b ?")


def test_no_french_sentence_of_the_program_lets_a_line_break_before_its_signs() -> None:
    say = translator("fr")
    for sentence in messages(french()):
        one, many = texts(sentence)[0], texts(sentence)[-1]
        forms = [say.text(one)] if one == many else [say.text_of_count(one, many, count) for count in (1, 2)]
        assert not [form for form in forms if re.search(r" [:;!?»]|« ", form)], sentence
