"""When incidents are looked for: as each run ends, and every minute."""
