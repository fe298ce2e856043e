"""Runs of many methods on all pairs of domains, and their tables."""
