"""PostgreSQL: connections, migrations, settings rows, locks and set-based writes. Nothing here imports Dagster."""
