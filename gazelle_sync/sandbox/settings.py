"""What can be changed while the sandbox runs, and its clock."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from gazelle_sync.i18n.translator import Message
from gazelle_sync.sandbox.encoding import Json, Record

INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def instant(epoch_s: float) -> str:
    """Write a moment as the API does: true UTC, whole seconds, `Z`."""
    return time.strftime(INSTANT, time.gmtime(epoch_s))


class Refused(ValueError):
    """A command that the sandbox does not carry out; the sentence is translated for whoever gave the command."""

    def __init__(self, message: Message, **values: object) -> None:
        super().__init__(message.format(**values))
        self.message = message
        self.values = values


@dataclass
class Settings:
    """Settings of a running sandbox.

    Attributes:
        dialect: `published`, `seed` with the sorts and filters of an older API, or `live` with `taxPricingMode`.
        rate_per_s: Requests answered in any second; the next gets 429. 0 is no limit.
        latency_ms: Wait before each request is looked at.
        field_ms: Wait before the answer, for each root field of the request.
        max_page_size: A larger `first` or `last` is cut to it in silence.
        default_page_size: Rows of a page that asked for no number.
        clock_skew_s: How far the server's clock is ahead of this machine's.
        token_ttl_s: Life of an access token.
        max_root_fields: A request with more root fields is refused with a GraphQL error. 0 is no limit.
        refusal_status: HTTP status of that refusal: 200, as Rails' GraphQL answers, or 400 or 413.
        page_size_limit: A larger `first` or `last` is refused with a GraphQL error. 0 is no limit.
        invoice_cents_off: Added to the tax of every invoice that is made or changed: a server that rounds otherwise.
        mutation_error: Where not empty, mutations do nothing but say this in `mutationErrors`.
    """

    dialect: str = "published"
    rate_per_s: float = 0.0
    latency_ms: float = 0.0
    field_ms: float = 0.0
    max_page_size: int = 1000
    default_page_size: int = 100
    clock_skew_s: float = 0.0
    token_ttl_s: float = 2_592_000.0
    max_root_fields: int = 0
    refusal_status: int = 200
    page_size_limit: int = 0
    invoice_cents_off: int = 0
    mutation_error: str = ""

    def now_s(self) -> float:
        """The server's clock, in seconds since 1970."""
        return time.time() + self.clock_skew_s

    def now(self) -> str:
        """The server's clock as the API writes it."""
        return instant(self.now_s())

    def today(self) -> str:
        """The server's date in UTC."""
        return datetime.fromtimestamp(self.now_s(), UTC).date().isoformat()

    def change(self, **values: Json) -> Record:
        """Change some settings.

        Raises:
            Refused: A name is unknown.
            ValueError: A value has the wrong type.
        """
        for name, value in values.items():
            if name not in self.as_record():
                choices = ", ".join(self.as_record())
                raise Refused(Message("No setting is called {name}. There are: {choices}."), name=name, choices=choices)
            if name == "dialect" and value not in ("published", "seed", "live"):
                raise Refused(Message("The dialect is published, seed or live, not {value}."), value=value)
            setattr(self, name, type(getattr(self, name))(value))
        return self.as_record()

    def as_record(self) -> Record:
        """Every setting by name."""
        return asdict(self)
