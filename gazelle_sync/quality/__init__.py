"""What the checks evaluate: may the shop believe its tables? Nothing here imports Dagster or writes rows."""
