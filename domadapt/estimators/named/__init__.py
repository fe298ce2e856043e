"""The estimators by name, one file for each family of methods, as in docs/methods."""
