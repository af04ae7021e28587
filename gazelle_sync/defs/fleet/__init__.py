"""What Dagster knows of a fleet: the folder as partitions, a run for some shops whose turn it is, own runs."""
