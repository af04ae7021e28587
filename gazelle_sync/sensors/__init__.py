"""What Dagster watches by itself, between schedules."""
