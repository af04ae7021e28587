"""The data quality checks: whether the shop can rely on its tables. Nothing here writes to production."""
