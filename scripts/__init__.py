"""Scripts of the project that are modules."""
