"""The push as Dagster sees it."""
