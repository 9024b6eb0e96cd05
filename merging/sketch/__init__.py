"""What a preview needs to know about a set of models, and its answers."""
