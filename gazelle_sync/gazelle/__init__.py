"""Gazelle's API: credentials, budget of requests, transport, operations. Nothing here imports Dagster."""
