"""The two dialects of the API: `published`, and the older `seed` with a sort by `UPDATED_AT` and a filter `startGte`.

`schema.graphql` holds the published part that the project uses. Nothing is added to it by hand: the seed dialect is
that text with a few lines more, made here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from graphql import GraphQLSchema, build_schema

SCHEMA_PATH = Path(__file__).with_name("schema.graphql")
_SORTS = "ClientSort|PianoSort|EventSort|InvoiceSort"


def schema_text(dialect: str) -> str:
    """The type definitions of a dialect."""
    published = SCHEMA_PATH.read_text(encoding="utf-8")
    if dialect == "published":
        return published
    text = re.sub(
        rf"^enum ({_SORTS}) {{$", r"\g<0>\n  UPDATED_AT_ASC\n  UPDATED_AT_DESC", published, flags=re.MULTILINE
    )
    return re.sub(r"^input PrivateAllEventsFilter {$", r"\g<0>\n  startGte: CoreDateTime", text, flags=re.MULTILINE)


@cache
def schema_for(dialect: str) -> GraphQLSchema:
    """The executable schema of a dialect."""
    return build_schema(schema_text(dialect), assume_valid=True, assume_valid_sdl=True)
