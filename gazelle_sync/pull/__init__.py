"""Pull: API → staging → production. `session.Pull` is the entry point; nothing here imports Dagster."""
