"""Products: the account's own price list (`PrivateMasterServiceItem`, ids `mit_`)."""

from __future__ import annotations

from gazelle_sync.reconcile.rows import (
    STAMPS,
    Body,
    Conversion,
    FieldMap,
    Rows,
    boolean,
    columns,
    hundredths,
    identity,
    inner,
    integer,
    read,
    reference,
    text,
)

SHOP_LANGUAGES = ("fr", "en")


def in_language(*languages: str) -> Conversion:
    """A conversion of Gazelle's `I18nString` to the first of `languages` that it has.

    An `I18nString` is an object of locale → text (`{"fr_CA": "Accord", "en_US": "Tuning"}`). Plain text names no
    language and stands for every one; so does text in no language of the shop's (a product that is named in Spanish
    only has that name). Locales are tried in alphabetical order, the bare language first: jsonb does not
    keep the order in which they came.
    """

    def convert(value: object) -> str | None:
        if not isinstance(value, dict):
            return text(value)
        for language in languages:
            for locale in sorted(value):
                if locale.lower().startswith(language) and value[locale] is not None:
                    return text(value[locale])
        said = {locale: given for locale, given in sorted(value.items()) if given is not None}
        if any(locale.lower().startswith(SHOP_LANGUAGES) for locale in said):
            return None
        return next(map(text, said.values()), None)

    return convert


NAMES: FieldMap = (
    ("name_fr", "name", in_language("fr")),
    ("name_en", "name", in_language("en")),
)

FIELDS: FieldMap = (
    *STAMPS,
    *NAMES,
    ("description_fr", "description", in_language("fr")),
    ("description_en", "description", in_language("en")),
    ("amount", "amount", hundredths),
    ("duration_minutes", "duration", integer),
    ("type", "type", text),
    ("is_tuning", "isTuning", boolean),
    ("is_taxable", "isTaxable", boolean),
    ("is_archived", "isArchived", boolean),
    ("is_default", "isDefault", boolean),
    ("is_self_schedulable", "isSelfSchedulable", boolean),
    ("sort_order", "order", integer),
    ("external_url", "externalUrl", text),
    ("group_external_id", "masterServiceGroup", inner("id", reference)),
    ("group_name", "masterServiceGroup", inner("name", in_language(*SHOP_LANGUAGES))),
)

COLUMNS = ("external_id", *columns(FIELDS))


def reconcile_product(body: Body) -> Rows:
    """One product."""
    return {"gazelle_products": [read(body, FIELDS, external_id=identity(body))]}
