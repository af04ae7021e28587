"""`make bench`: every line of the table of speed and memory, measured; ratios beside times. No test depends on them."""
