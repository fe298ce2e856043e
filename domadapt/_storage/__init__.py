"""Atomic writing of files, tensors in files, and digests of data, weights and settings."""
