"""The automatic choice among methods, plain models among them."""
