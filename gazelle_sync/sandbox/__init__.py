"""A Gazelle of our own: a real HTTP server on loopback that behaves as the published API does.

What belongs here: the API's types, its data, its semantics and its faults. Nothing of the synchronisation itself, and
no import of Dagster. Everything that the server holds is invented.

- `schema.graphql`: the types, as published; `execution` derives those of an older API from them.
- `dataset` (people, pianos, timeline), `events`, `billing`, `drawing`, `vocabulary`: the invented records.
- `store`: the state, in memory and in one SQLite file.
- `execution`, `plan`: GraphQL requests; `resolvers`, `listing`, `pages`: what is read.
- `mutations`: what is written; `rest`: the REST endpoints.
- `access`: credentials, tokens and the rate limit.
- `faults`: faults that can be injected, with `wrong_answers` (data) and `wire` (responses).
- `counters`: requests and records served; `control`: the commands under `/_sandbox/`; `admin`: their typed client.
- `account`: these parts of one account; `server`: the application and its process.
"""

from __future__ import annotations

SANDBOX_API_KEY = "sandbox-key-of-no-account"
SANDBOX_CLIENT_ID = "sandbox-client"
SANDBOX_CLIENT_SECRET = "sandbox-secret"  # noqa: S105  the sandbox guards nothing
SANDBOX_ACCESS_TOKEN = "sandbox-access-token-long-enough-to-be-taken-for-an-oauth-token"  # noqa: S105
SANDBOX_REFRESH_TOKEN = "sandbox-refresh-token"  # noqa: S105
