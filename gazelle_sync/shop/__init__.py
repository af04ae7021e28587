"""The shop's own work, a package a slice."""
