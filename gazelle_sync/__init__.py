"""gazelle_sync keeps a Gazelle account and a PostgreSQL database equal, both ways, and can prove it."""
