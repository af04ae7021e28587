"""The typed client of the sandbox's control routes, for tests, measurements and the command line.

Importing it is cheap: the server's side is not imported, and httpx only when a client is made.
"""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

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
        (records served, by kind), `bytes`, `arrivals`, `arrivals_monotonic`, `arrivals_wall`, `max_in_a_second`.
        """
        found: Record = self._get("/stats")
        return found

    def reset_stats(self) -> None:
        """Start counting again from nothing."""
        self._post("/stats/reset", {})

    def record(self, kind: str, record_id: str) -> Record | None:
        """One record as it is stored, or None."""
        found: Record | None = self._get(f"/record/{kind}/{record_id}")
        return found

    def dump(self, kind: str) -> list[Record]:
        """Every living record of a kind as it is stored, in the order of creation."""
        found: list[Record] = self._get(f"/dump/{kind}")
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
        body = {"kind": kind, "id": record_id, "set": values, "touch": touch}
        found: Record = self._post("/edit", body)
        return found

    def delete(self, kind: str, record_id: str) -> None:
        """Delete a record, and with a client everything that is its own."""
        self._post("/delete", {"kind": kind, "id": record_id})

    def create(self, kind: str, **record: Json) -> Record:
        """Add a record; an id and stamps are given to it where they are missing."""
        found: Record = self._post("/create", {"kind": kind, "record": record})
        return found

    def random_edits(
        self, *, clients: int = 5, pianos: int = 2, events: int = 25, timeline: int = 30, seed: int = 1
    ) -> dict[str, list[str]]:
        """A quarter of an hour in the shop; the ids that changed, by kind."""
        body = {"clients": clients, "pianos": pianos, "events": events, "timeline": timeline, "seed": seed}
        found: dict[str, list[str]] = self._post("/random_edits", body)
        return found

    def snapshot(self, name: str = "") -> None:
        """Keep the state of all records under a name, while the process lives."""
        self._post("/snapshot", {"name": name})

    def restore(self, name: str = "") -> None:
        """Go back to a state that was kept."""
        self._post("/restore", {"name": name})

    # ---- faults, settings, tokens

    def fault(
        self,
        kind: str,
        *,
        times: int = 1,
        operation: str = "",
        after: int = 0,
        probability: float = 1.0,
        seed: int = 1,
        **options: Json,
    ) -> Record:
        """Arm a fault (kinds and options: `gazelle_sync.sandbox.faults`).

        Args:
            kind: `status`, `html_200`, `truncated`, `reset`, `empty_tags`, …
            times: Requests that it strikes before it is spent; 0 is without end.
            operation: Part of the operation's name, of the query's text or of the path.
            after: Matching requests that pass unharmed first.
            probability: Share of the matching requests that it strikes.
            seed: Of the draw.
            options: What this kind can be told.
        """
        own = {"times": times, "operation": operation, "after": after, "probability": probability, "seed": seed}
        found: Record = self._post("/fault", {"kind": kind} | own | options)
        return found

    def faults(self) -> list[Record]:
        """The armed faults, with `struck`: how many requests each struck."""
        found: list[Record] = self._get("/faults")
        return found

    def clear_faults(self) -> None:
        """Disarm all faults."""
        _read(self._http.delete("/faults"))

    def settings(self, **values: Json) -> Record:
        """Change settings (`gazelle_sync.sandbox.settings.Settings`); all of them as they are now."""
        found: Record = self._post("/settings", values)
        return found

    def expire_token(self) -> None:
        """End the life of the access token; the refresh token stays good."""
        self._post("/tokens/expire", {})

    def reset_tokens(self) -> None:
        """Go back to the tokens that everybody knows."""
        self._post("/tokens/reset", {})

    def tokens(self) -> Record:
        """The tokens as they are, in the form of the token endpoint's answer."""
        found: Record = self._get("/tokens")
        return found

    def _get(self, path: str) -> Json:
        return _read(self._http.get(path))

    def _post(self, path: str, body: Record) -> Json:
        # Escaped, so that a lone surrogate can be sent.
        return _read(self._http.post(path, content=json.dumps(body).encode("ascii")))


def _read(answer: httpx.Response) -> Json:
    if answer.is_error:
        raise ValueError(f"the sandbox refused ({answer.status_code}): {answer.text}")
    return json.loads(answer.content)
