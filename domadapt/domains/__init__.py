"""What fit is given: samples of the source and of the target, in either spelling."""
