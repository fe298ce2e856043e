"""Files that are whole or not there, and fingerprints of data, weights and settings."""
