"""Merge methods: kernels, declarations and the registry."""
