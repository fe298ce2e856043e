"""What fit is given: rows of the source and of the target, in either spelling."""
