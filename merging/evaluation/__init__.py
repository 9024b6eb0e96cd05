"""Tasks, scores and their noise."""
