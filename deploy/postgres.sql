-- The second database of compose.yaml's server: Dagster's own storage.
CREATE DATABASE dagster OWNER gazelle;
