"""Messages to people: to whom, in a ledger that sends none twice, by Apprise, without a client's particulars."""
