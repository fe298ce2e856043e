"""Runs of all methods on all pairs of domains, and their tables."""
