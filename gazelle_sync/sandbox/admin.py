"""The typed client of the sandbox's control routes, for tests, measurements and the command line.

Importing it is cheap: the server's side is not imported, and httpx only when a client is made.
"""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

from gazelle_sync.i18n import gettext, language
from gazelle_sync.sandbox.encoding import Json, Record

if TYPE_CHECKING:
    import httpx


def plain_client(base_url: str, *, timeout_s: float = 30.0) -> httpx.Client:
    """A client for plain HTTP on loopback: no proxies, and no certificates, which would take a while to load."""
    import httpx

    return httpx.Client(
        base_url=base_url, timeout=timeout_s, trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )


class SandboxAdmin:
    """Reads and edits the records of a running sandbox, and arms its faults."""

    def __init__(self, base_url: str, *, timeout_s: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = plain_client(f"{self.base_url}/_sandbox", timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> SandboxAdmin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- reading

    def healthy(self) -> bool:
        """Whether the sandbox answers."""
        import httpx

        try:
            return self._http.get("/health").is_success
        except httpx.TransportError:
            return False

    def stats(self) -> Record:
        """What was asked and served since the last reset.

        `requests`, `by_operation`, `by_field` (root fields carried out), `refused` (by status), `bodies` and `stamps`
        (records served, by kind), `arrivals`, `arrivals_monotonic`, `max_in_a_second`.
        """
        found: Record = self._call("stats")
        return found

    def reset_stats(self) -> None:
        """Start counting again from nothing."""
        self._call("reset_stats")

    def record(self, kind: str, record_id: str) -> Record | None:
        """One record as it is stored, or None."""
        found: Record | None = self._call("record", kind, record_id)
        return found

    def dump(self, kind: str) -> list[Record]:
        """Every record of a kind as it is stored, in the order of creation."""
        found: list[Record] = self._call("dump", kind)
        return found

    def ids(self, kind: str) -> list[str]:
        """The id of every record of a kind, in the order of creation."""
        found: list[str] = self._call("ids", kind)
        return found

    # ---- edits, as users make them

    def edit(self, kind: str, record_id: str, *, touch: bool | str = True, **values: Json) -> Record:
        """Change fields of a record.

        Args:
            kind: Kind of record.
            record_id: Its id.
            touch: True: `updatedAt` becomes the server's clock; False: it stays; text: it becomes that.
            values: Fields in the API's names.
        """
        found: Record = self._call("edit", kind, record_id, touch=touch, **values)
        return found

    def delete(self, kind: str, record_id: str) -> None:
        """Delete a record, and with a client its pianos, contacts, visits and entries."""
        self._call("delete", kind, record_id)

    def create(self, kind: str, **record: Json) -> Record:
        """Add a record; an id and stamps are given to it where they are missing."""
        found: Record = self._call("create", kind, **record)
        return found

    def random_edits(
        self, *, clients: int = 5, pianos: int = 2, events: int = 25, timeline: int = 30, seed: int = 1
    ) -> dict[str, list[str]]:
        """Edit as many records as a quarter of an hour brings; the ids that changed, by kind."""
        found: dict[str, list[str]] = self._call(
            "random_edits", clients=clients, pianos=pianos, events=events, timeline=timeline, seed=seed
        )
        return found

    def snapshot(self, name: str = "") -> None:
        """Keep the state of all records under a name, while the process lives."""
        self._call("snapshot", name)

    def restore(self, name: str = "") -> None:
        """Go back to a state that was kept."""
        self._call("restore", name)

    def start_over(self, name: str = "") -> None:
        """Go back to a state that was kept, without faults or counts, with the first settings and tokens."""
        self._call("start_over", name)

    # ---- faults, settings, tokens

    def fault(self, kind: str, **options: Json) -> Record:
        """Arm a fault.

        Args:
            kind: `status`, `html_200`, `truncated`, `reset`, `empty_tags`, … (`gazelle_sync.sandbox.faults`)
            options: `times` (how many requests it affects, 1 if not given; 0: all),
                `operation` (part of the operation's name, of the query's text or of the path), `after` (matching
                requests that it leaves alone first), `probability` and `seed` (share of the matching requests), and the
                options of its kind.
        """
        found: Record = self._call("fault", kind, **options)
        return found

    def faults(self) -> list[Record]:
        """The armed faults, with `struck`: how many requests each has affected."""
        found: list[Record] = self._call("faults")
        return found

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._call("clear_faults")

    def settings(self, **values: Json) -> Record:
        """Change settings (`gazelle_sync.sandbox.settings.Settings`); all of them as they are now."""
        found: Record = self._call("settings", **values)
        return found

    def expire_token(self) -> None:
        """Make the access token expire; the refresh token stays valid."""
        self._call("expire_token")

    def reset_tokens(self) -> None:
        """Go back to the fixed first tokens."""
        self._call("reset_tokens")

    def tokens(self) -> Record:
        """The present tokens, in the form of the token endpoint's answer."""
        found: Record = self._call("tokens")
        return found

    def _call(self, command: str, *arguments: Json, **options: Json) -> Json:
        body = json.dumps({"arguments": arguments, "options": options})
        # Escaped, so that a lone surrogate can be sent.
        answer = self._http.post(f"/{command}", content=body.encode("ascii"), headers={"accept-language": language()})
        if answer.is_error:
            reason = json.loads(answer.content)["error"] if answer.status_code < 500 else answer.text
            raise ValueError(gettext("The sandbox refused: {reason}", reason=reason))
        return json.loads(answer.content)
