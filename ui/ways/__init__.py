"""The ways of looking for good settings: what each asks, starts, and shows."""
