"""How edits travel: one protocol, two transports, a module for each kind of record.

Both read by GraphQL. What REST has no endpoint for (measurements, visits, deletions, products) goes by GraphQL too.
"""

from __future__ import annotations

from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.push.transports.graphql import GraphqlTransport
from gazelle_sync.push.transports.protocol import Kind
from gazelle_sync.push.transports.rest import RestTransport
from gazelle_sync.push.transports.visits import VisitTransport
from gazelle_sync.settings import Settings


def transport_for(settings: Settings, client: GazelleClient, kind: Kind) -> GraphqlTransport:
    """The transport that `GAZELLE_PUSH_TRANSPORT` and `GAZELLE_PUSH_SERVICE` name."""
    if settings.push_transport == "rest":
        return RestTransport(client, kind)
    return VisitTransport(client, kind) if settings.push_service == "event" else GraphqlTransport(client, kind)
