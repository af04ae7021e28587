"""The shop's own work as Dagster sees it: a module a slice, and what lets a slice follow the pull."""
