"""What people and their tools look at: metrics, the report, the records in error. Reads the shop's tables alone."""
