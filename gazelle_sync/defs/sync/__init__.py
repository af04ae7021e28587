"""The pull and the replay as Dagster sees them."""
