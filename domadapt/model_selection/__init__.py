"""Choosing without target labels."""
