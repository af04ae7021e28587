"""gazelle_sync keeps a Gazelle account and a PostgreSQL database equal, both ways, and checks that they are."""
