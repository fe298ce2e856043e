"""Atomic writing of files, what is read from them, locks, digests of data and settings."""
