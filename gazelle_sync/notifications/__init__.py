"""Messages to people: recipients, a ledger so that none is sent twice, delivery by Apprise, redaction of secrets."""
