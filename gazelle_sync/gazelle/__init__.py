"""The client of Gazelle's API: credentials, request budget, HTTP transport, GraphQL operations."""
