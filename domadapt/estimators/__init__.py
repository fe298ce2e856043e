"""Scikit-learn estimators on top of the torch core."""

from domadapt.estimators._classifiers import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
)

__all__ = ["AlignmentClassifier", "DANClassifier", "DANNClassifier", "DeepCORALClassifier"]
