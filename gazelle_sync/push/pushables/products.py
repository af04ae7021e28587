"""The shop's own list of products and services: its prices and names go to Gazelle's price list."""

from __future__ import annotations

from gazelle_sync.entities import PRODUCTS
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.fields.scalars import MONEY, Scalar
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.transports.products import PRODUCT

SHOP_PRODUCTS = Pushable(
    entity=PRODUCTS,
    table="shop_products",
    key="id",
    record_key="product_external_id",
    columns=("retail_price", "name_fr", "name_en"),
    fields=(
        Scalar("retail_price", "amount", form=MONEY),
        Scalar("name_fr", "name", language="fr"),
        Scalar("name_en", "name", language="en"),
    ),
    kind=PRODUCT,
    last_pull="jsonb_build_object('amount', round(p.amount * 100)::bigint, 'name', "
    "jsonb_build_object('fr_CA', p.name_fr, 'en_US', p.name_en))",
    edit_snapshot="jsonb_build_object('amount', b.raw_data -> 'amount', 'name', b.raw_data -> 'name')",
    names="coalesce(p.name_fr, p.name_en)",
    known_by="lower(btrim(p.name_fr)), lower(btrim(p.name_en))",
    noun=Message("product"),
)
