"""Judgements over what the tables hold: may the shop believe them? Nothing here imports Dagster or writes rows."""
