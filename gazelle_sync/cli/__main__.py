"""`python -m gazelle_sync.cli` is the command as well."""

from gazelle_sync.cli import main

main()
