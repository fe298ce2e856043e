"""Choosing without target labels: scores, and scorers that go into scikit-learn's searches."""

__all__: list[str] = []
