"""Criteria that measure how far apart two domains are, for training or on their own."""

from domadapt.alignment.adversarial import DomainAdversarial
from domadapt.alignment.coral import CORAL, DeepCORAL
from domadapt.alignment.criteria import WeightedCriteria, declared_names
from domadapt.alignment.mmd import MMD

__all__ = ["CORAL", "MMD", "DeepCORAL", "DomainAdversarial", "WeightedCriteria", "declared_names"]
