"""Push: local edit → plan → send → confirm → base. Nothing here imports Dagster."""
