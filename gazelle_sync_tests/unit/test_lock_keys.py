"""Each advisory lock has a key of its own: with a shared one, what has nothing to do with each other would wait."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import gazelle_sync

KEY = re.compile(r"0x6761_7A[0-9A-F]{2}")


def test_no_two_locks_share_a_key() -> None:
    texts = [path.read_text(encoding="utf-8") for path in Path(gazelle_sync.__file__).parent.rglob("*.py")]
    keys = Counter(key for text in texts for key in KEY.findall(text))
    assert len(keys) >= 9, "they are still written so"
    assert [key for key, times in keys.items() if times > 1] == []
