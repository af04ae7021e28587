"""`gazelle-sync verify`: whether production equals the account now. Reads the account again, and changes nothing."""
