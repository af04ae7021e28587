"""What the code says, for the catalogue of translations: `make messages` brings it up to date."""

from __future__ import annotations

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po, write_po

from gazelle_sync.cli.app import main as commands
from gazelle_sync.cli.languages import CLICK, help_texts
from gazelle_sync.i18n.translator import DOMAIN, LOCALES

PACKAGE = LOCALES.parent.parent
FRENCH = LOCALES / "fr" / "LC_MESSAGES" / f"{DOMAIN}.po"
METHODS = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract")]
HEADER = r"""# What gazelle_sync says, in French. `make messages` adds what the code says anew.
msgid ""
msgstr ""
"Project-Id-Version: gazelle_sync\n"
"Language: fr\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""
KEYWORDS = {"say": None, "gettext": None, "Message": None, "Plural": (1, 2)}

CLICKS_KEYWORDS = {"_": None, "ngettext": (1, 2)}


def said_by_the_code() -> Catalog:
    """Every sentence that the code marks, the help texts of the commands, and what click says; untranslated."""
    catalogue = Catalog(project="gazelle_sync", charset="utf-8")
    for _, _, message, _, context in extract_from_dir(PACKAGE, METHODS, keywords=KEYWORDS):
        catalogue.add(message, context=context)
    for text in help_texts(commands):
        catalogue.add(text)
    for module in CLICK:
        for _, message, _, _ in extract_from_file("python", str(module.__file__), keywords=CLICKS_KEYWORDS):
            catalogue.add(message)
    return catalogue


def french() -> Catalog:
    """The catalogue in the repository."""
    with FRENCH.open("rb") as text:
        return read_po(text, locale="fr", abort_invalid=True)


def write(catalogue: Catalog) -> None:
    """Write it in alphabetical order, without the places and dates that would change with every commit."""
    with FRENCH.open("wb") as text:
        text.write(HEADER.encode())
        write_po(text, catalogue, width=110, omit_header=True, no_location=True, sort_output=True, ignore_obsolete=True)


def main() -> None:
    """Add what is new, untranslated, and take out what nothing says any more."""
    catalogue = french()
    catalogue.update(said_by_the_code(), no_fuzzy_matching=True)
    write(catalogue)


if __name__ == "__main__":
    main()
