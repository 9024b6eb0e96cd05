"""Numbers to view models and sentences. Pure."""
