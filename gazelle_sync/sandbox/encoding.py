"""JSON in and out, fast where text is sound and tolerant where it is not.

Gazelle can send a lone surrogate (half an emoji, cut by a length limit). It has no UTF-8 form, so msgspec refuses it;
the standard library writes and reads it as an escape.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

Json = Any
"""Any JSON value; also what stands for one on its way through the code."""

Record = dict[str, Json]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encode(value: object) -> bytes:
    """Encode `value` as JSON."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> Json:
    """Decode JSON, lone surrogates included."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:
        return json.loads(data)
