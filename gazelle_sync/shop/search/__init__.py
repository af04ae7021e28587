"""Finding a piano, a client, an invoice or a note by a few words."""
