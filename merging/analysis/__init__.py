"""Numbers about merges: conflict, magnitude. Numbers in, numbers out."""
