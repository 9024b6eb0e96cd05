"""Merge fine-tuned models by arithmetic on their weights. No web, no plotting."""
