"""Pull: API → staging → production. `session.Pull` is the way in; nothing here imports Dagster."""
